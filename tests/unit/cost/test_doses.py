"""A plan of models kept along a training: no more training, more of the rest."""

import pytest

from safegrid.cost.estimate import estimate


def test_checkpoints_cost_no_training_but_disk_and_answers(
    make_study, assumed, gpus, tmp_path
):
    def rows(*steps):
        study = make_study("falcon-11b", {"training": {"checkpoints": list(steps)}})
        plan = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
        return study, {(row.kind, row.what): row for row in plan.rows}

    (study, plain), (_, kept) = rows(), rows(1, 2)
    trained, asked = len(study.trained), len(study.models)
    assert plain.keys() == kept.keys()
    for (kind, _), row in plain.items():
        with_doses = kept[kind, row.what]
        if kind in ("train", "reference", "validate_judge", "calibrate"):
            assert with_doses.jobs == row.jobs
            assert with_doses.gpu_hours == row.gpu_hours
            disk = 3 if kind == "train" else 1
            assert with_doses.disk == pytest.approx(disk * row.disk)
        else:
            assert with_doses.jobs == row.jobs * (asked + 2 * trained) // asked
