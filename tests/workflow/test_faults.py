"""What is broken stops, says why, and leaves the rest of the grid alone.

Then a finished study of which results were edited, damaged and cut off, and made again.
One copy of the study tells each of the two stories, in the order of the tests.
"""

import json
import os
import re

import polars as pl
import pytest

from safegrid.core.artifacts import METADATA_KEY
from safegrid.core.records import SCORE

BROKEN = "tiny-base/broken/seed0"
LOG = f"logs/tiny/train/{BROKEN}.log"
PARTIAL = "results/tiny/partial"
CELLS = "results/tiny/responses/tiny-base"
EDITED = f"{CELLS}/dpo/seed0/alert.parquet"
CUT = f"{CELLS}/nca/seed0/xstest.parquet"
FLIPPED = "results/tiny/scores.parquet"


@pytest.fixture(scope="module")
def faulty(finished, tmp_path_factory):
    """A study with a recipe that diverges and a guard whose verdicts are unread."""
    tree = finished.copy(tmp_path_factory.mktemp("faulty") / "repository")
    training = {"learning_rate": 1e9, "warmup_ratio": 0}
    training["lr_scheduler_type"] = "constant"

    def diverge(study):
        recipe = {"method": "dpo", "dataset": "safety", "training": training}
        study["recipes"]["broken"] = recipe

    def never_enough(text):
        return text.replace("tiny-guard:\n", "tiny-guard:\n  min_label_mass: 1.0\n")

    with tree.with_study(diverge), tree.edited("config/judges.yaml", never_enough):
        tree.said = tree.refused(*tree.study_command)
        tree.again = tree.plan("report_partial")
        yield tree
    tree.end()


@pytest.fixture
def partial(faulty):
    """The scores of the partial report."""
    return faulty.table(f"{PARTIAL}/scores.parquet", SCORE)


def test_a_study_with_a_failure_ends_non_zero_and_names_the_partial_report(faulty):
    assert f"what the finished cells allow is in {PARTIAL}/" in faulty.said
    end = faulty.said.split("study tiny: failed jobs: 1\n")[-1]
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
    blanks = faulty.read(f"{PARTIAL}/blanks.md").decode()
    assert f"{BROKEN}/alert: Failed in train" in blanks
    tables = ("main.md", "main.tex", "trainings.md", "judges.md", "rows.md")
    for file in (
        *(f"tables/{name}" for name in tables),
        "figures/trade_off_capability.svg",
        "figures/curves_loss.svg",
    ):
        assert faulty.read(f"{PARTIAL}/{file}")
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
    # Corrected shares need all scores.
    there = whole.filter(
        pl.col("benchmark").is_in(untouched),
        ~pl.col("metric").str.ends_with("_corrected"),
    )
    assert kept.sort(pl.all()).equals(there.sort(pl.all()))


def test_a_broken_raw_file_is_named_with_its_line_and_nothing_is_written(copy):
    pairs = copy.folder / "results/raw/tiny-pku/train.jsonl"
    lines = pairs.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"', b'"\xff', 1)
    pairs.write_bytes(b"".join(lines))
    alert = copy.folder / "results/raw/tiny-alert/alert.jsonl"
    rows = [json.loads(line) for line in alert.read_text().splitlines()]
    rows[6]["id"] = rows[2]["id"]
    alert.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = copy.refused(*copy.snakemake("prepare_data"))
    for file, line, reason in ((pairs, 5, ".*UTF-8"), (alert, 7, ".*repeats .* 3")):
        name = re.escape(str(file.relative_to(copy.folder)))
        told = f"error: {name}: 1 problem; nothing was written\n  line {line}: {reason}"
        assert re.search(told, said), said
    for output in ("datasets/safety.parquet", "prompts/alert.parquet"):
        assert not (copy.folder / "results/tiny" / output).exists()


# ------------------------------------------------------------------ damage


@pytest.fixture(scope="module")
def damaged(shared_copy):
    """A copy, the bytes that its results had, and two runs of it."""
    tree = shared_copy
    tree.stop_at(FLIPPED)
    tree.whole = {name: tree.read(name) for name in tree.made()}
    edit(tree.folder / EDITED)
    cut = tree.folder / CUT
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    flip(tree.folder / FLIPPED)
    tree.first = tree.refused(*tree.study_command)
    tree.second = tree.run(*tree.study_command, "--rebuild-damaged")
    return tree


def edit(path):
    """Change all answers and keep the manifest that stood beside them."""
    kept = pl.read_parquet_metadata(path)[METADATA_KEY]
    frame = pl.read_parquet(path).with_columns(text=pl.lit("I cannot help with that."))
    frame.write_parquet(path, metadata={METADATA_KEY: kept})


def flip(path):
    """Change one byte of the rows, as a disk does: no clock tells of it."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_run_takes_nothing_from_damaged_results_and_says_how_to_make_them_again(
    damaged,
):
    told = damaged.first
    assert f"error: {EDITED}: is not as it was written" in told
    assert f"error: {CUT}: carries no own_sha256" in told
    assert "make study STUDY=tiny REBUILD_DAMAGED=1" in told
    assert f"what the finished cells allow is in {PARTIAL}/" in told
    # The same words once more where all failures are listed, at the end.
    end = told.split("study tiny: failed jobs: ")[-1]
    for file in (EDITED, CUT):
        assert f"--config study=tiny --forcerun {file}" in end


def test_the_command_that_is_named_makes_the_result_again(finished):
    command = f"snakemake --cores 2 --config study=tiny --forcerun {EDITED}"
    plan = finished.call(*command.split(), "--dry-run")
    assert f"output: {EDITED}" in plan
    assert plan.count("rule generate:") == 1


def test_with_the_option_they_are_listed_and_made_again_as_they_were(damaged):
    assert damaged.second.returncode == 0, damaged.second.stdout
    assert "study tiny: damaged results: 3\n" in damaged.second.stdout
    for file in (EDITED, CUT, FLIPPED):
        assert f"  {file}: " in damaged.second.stdout
    scores = [name for name in damaged.whole if name.startswith("results/tiny/scores")]
    assert len(scores) > 10
    for name in (EDITED, CUT, *scores):
        assert damaged.read(name) == damaged.whole[name], name
    assert damaged.plan().jobs == []
    again = damaged.call(*damaged.study_command, "--rebuild-damaged")
    assert "study tiny: damaged results: 0\n" in again
    assert "nothing to do" in again
