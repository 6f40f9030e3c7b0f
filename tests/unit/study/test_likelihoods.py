"""Benchmarks of known answers in a study: files, checks, jobs of a plan."""

import pytest

from safegrid.core.errors import ConfigError
from safegrid.study import cells, gathered
from safegrid.study.grid import Cell, Model

PROMPTS = {"source": "tiny-instructions", "file": "train", "limit": 20}
CELL = Cell(Model("tiny-base", "dpo", 0), "references")


@pytest.fixture
def load(load_tiny):
    """Load study tiny with a benchmark of known answers, after changes of it."""

    def _load(**changes):
        block = {"like": "reference_likelihood", "prompts": PROMPTS, **changes}
        return load_tiny(lambda entry: entry["benchmarks"].update(references=block))

    return _load


def test_a_cell_is_likelihoods_and_scores_and_no_responses_or_verdicts(load):
    study = load()
    file = "results/tiny/likelihoods/tiny-base/dpo/seed0/references.parquet"
    scores = "results/tiny/scores/tiny-base/dpo/seed0/references.parquet"
    assert cells.files(study, CELL) == [file, scores]
    assert scores in gathered.all_scores(study)
    assert file in cells.model_answers(study, CELL.model)
    assert not any(
        "references" in f for f in cells.all_answers(study, study.cells(study.prompted))
    )
    assert not any("references" in f for f in cells.model_verdicts(study, CELL.model))
    assert cells.answers(study, CELL.untouched) == file.replace("dpo", "none")
    assert cells.answers(study, CELL.untouched) in gathered.base_answers(study)


def test_its_prompts_are_held_against_the_training_data(load):
    study = load()
    assert "results/tiny/prompts/references.parquet" in cells.prompts(
        study, study.with_overlap
    )
    assert cells.overlap(study, ["references"]) == [
        "results/tiny/overlap/references.json"
    ]
    assert "references" in study.with_prompts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"prompts": {**PROMPTS, "kind": "instructions"}},
            r"benchmarks\.references\.prompts.*needs prompts with a known answer",
        ),
        (
            {"judges": ["tiny-guard"]},
            r"references\.judges.*nothing is generated, judged or run as a task",
        ),
        (
            {"decode": {"max_new_tokens": 8}},
            r"references\.decode.*nothing is generated, judged or run as a task",
        ),
        ({"limit": 5}, r"references\.limit.*a limit stands under `prompts`"),
    ],
)
def test_what_would_not_be_read_is_refused(load, changes, said):
    with pytest.raises(ConfigError, match=said):
        load(**changes)
