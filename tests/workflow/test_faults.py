"""What is broken stops, says why, and leaves the rest of the grid alone."""

import json
import re

import polars as pl
import pytest

from safegrid.core.records import SCORE

BROKEN = "tiny-base/broken/seed0"
LOG = f"logs/tiny/train/{BROKEN}.log"


@pytest.fixture(scope="module")
def faulty(shared_copy):
    """A study with a recipe that diverges and a guard whose verdicts are unread."""
    tree = shared_copy
    training = {"learning_rate": 1e9, "warmup_ratio": 0}
    training["lr_scheduler_type"] = "constant"

    def diverge(study):
        recipe = {"method": "dpo", "dataset": "safety", "training": training}
        study["recipes"]["broken"] = recipe

    def never_enough(text):
        return text.replace("tiny-guard:\n", "tiny-guard:\n  min_label_mass: 1.0\n")

    with tree.with_study(diverge), tree.edited("config/judges.yaml", never_enough):
        tree.status = tree.run(*tree.study_command)
        tree.again = tree.plan("report_partial")
        yield tree


@pytest.fixture
def partial(faulty):
    """The scores of the partial report."""
    return faulty.table("results/tiny/partial/scores.parquet", SCORE)


def test_a_study_with_a_failure_ends_non_zero_and_names_the_partial_report(faulty):
    assert faulty.status.returncode == 1
    assert "what the finished cells allow is in results/tiny/partial/" in (
        faulty.status.stdout
    )
    end = faulty.status.stdout.split("study tiny: failed jobs: 1\n")[-1]
    assert f"train failed; {LOG} ends:\n    " in end
    assert "    error: the " in end


def test_a_loss_that_is_not_finite_stops_its_recipe_with_step_and_batch(faulty):
    log = faulty.read(LOG).decode()
    for told in ("error: the ", "of step ", "has seen the pairs "):
        assert told in log
    assert "Traceback" not in log
    assert not (faulty.folder / f"results/tiny/models/{BROKEN}").exists()


def test_the_partial_report_blanks_the_failed_cells_with_their_reason(faulty, partial):
    rows = partial.filter(recipe="broken")
    assert set(rows["benchmark"]) == {*faulty.study.config.benchmarks, "global"}
    assert rows["value"].is_null().all()
    assert rows["reason"].str.contains("^Failed in train: the .* of step ").all()
    blanks = (faulty.folder / "results/tiny/partial/blanks.md").read_text()
    assert f"{BROKEN}/alert: Failed in train" in blanks
    for file in (
        "tables/main.md",
        "tables/main.tex",
        "figures/trade_off_capability.svg",
        "figures/curves_loss.svg",
        "tables/trainings.md",
        "tables/judges.md",
        "tables/rows.md",
    ):
        assert (faulty.folder / "results/tiny/partial" / file).stat().st_size
    assert faulty.again.counts == {"report_partial": 1}


def test_verdicts_that_cannot_be_read_refuse_the_cell(partial):
    safety = partial.filter(metric="safety", slice="all", benchmark="alert")
    cells = safety.filter(pl.col("recipe") != "broken")
    assert set(cells["recipe"]) == {"none", "dpo", "nca"}
    assert cells["value"].is_null().all()
    assert cells["n"].to_list() == [0, 0, 0]
    assert (cells["n_unscored"] > 0).all()
    assert cells["reason"].str.contains("unscored").all()


def test_the_rest_of_the_grid_goes_on(partial, finished):
    whole = finished.table("results/tiny/scores.parquet", SCORE)
    untouched = ["toxicity", "xstest", "capability"]
    kept = partial.filter(
        pl.col("benchmark").is_in(untouched) & (pl.col("recipe") != "broken")
    )
    assert kept.sort(pl.all()).equals(
        whole.filter(pl.col("benchmark").is_in(untouched)).sort(pl.all())
    )


def test_a_broken_raw_file_is_named_with_its_line_and_nothing_is_written(copy):
    pairs = copy.folder / "results/raw/tiny-pku/train.jsonl"
    lines = pairs.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"', b'"\xff', 1)
    pairs.write_bytes(b"".join(lines))
    alert = copy.folder / "results/raw/tiny-alert/alert.jsonl"
    rows = [json.loads(line) for line in alert.read_text().splitlines()]
    rows[6]["id"] = rows[2]["id"]
    alert.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = copy.run(*copy.snakemake("prepare_data"))
    assert done.returncode == 1
    for file, line, reason in ((pairs, 5, ".*UTF-8"), (alert, 7, ".*repeats .* 3")):
        name = re.escape(str(file.relative_to(copy.folder)))
        told = f"error: {name}: 1 problem; nothing was written\n  line {line}: {reason}"
        assert re.search(told, done.stdout), done.stdout
    assert "Traceback" not in done.stdout
    for output in ("datasets/safety.parquet", "prompts/alert.parquet"):
        assert not (copy.folder / "results/tiny" / output).exists()
