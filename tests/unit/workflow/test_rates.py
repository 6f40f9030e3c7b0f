"""What rows took, from the files that jobs leave."""

from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.seals import write_result
from safegrid.runtime.runs import PEAK
from safegrid.runtime.usage import Record, Usage, keep
from safegrid.workflow.rates import jobs, print_rates

CELL = "base/dpo/seed0/alert"
ENGINE = {"kind": "safegrid", "version": "1", "dtype": "float32", "weights": "w"}
TIMING = "s\th:m:s\tmax_rss\n{seconds}\t0:00:04\t{peak}\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with timing files of some jobs of study `s`, with their results."""
    monkeypatch.chdir(tmp_path)
    timed("generate", CELL, seconds=4.0, peak="50.5", said=PEAK % ("its engine", 321))
    table(f"responses/{CELL}", rows=8, dropped={"long": 2}, engine=ENGINE)
    took(f"responses/{CELL}", Usage(1, 10, 300, 100, 0.5, "engine", "NVIDIA H200"))
    timed("judge", f"guard/{CELL}", seconds=1.0, peak="NA")
    table(f"verdicts/guard/{CELL}", rows=10)
    timed("judge", f"guard/{CELL}2", seconds=9.0, peak="40")  # its job failed
    timed("train", "base/dpo/seed0", seconds=6.0, peak="700")
    folder = tmp_path / "results/s/models/base/dpo/seed0"
    run = {"device": "cpu, 2 threads", "seconds": 5.0}
    facts = {"steps": 5, "rows": 7, "tokens": 600, "resumed": False, "run": run}
    recipe = {"recipe": {"training": {"batch": 4}}}
    write_result(folder / "manifest.json", manifest("train", {}, recipe, **facts))
    return tmp_path


def timed(rule, name, seconds, peak, said=""):
    for path, text in (
        (f"logs/timing/s/{rule}/{name}.tsv", TIMING.format(seconds=seconds, peak=peak)),
        (f"logs/s/{rule}/{name}.log", f"12:00:00 INFO x: {said}\n"),
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def took(name, usage):
    record = Record(usage.rows, 0, 0, ENGINE, "m", usage)
    keep(Path(f"results/s/{name}.parquet"), record)


def table(name, **facts):
    frame = pl.DataFrame({"a": [1]})
    path = Path(f"results/s/{name}.parquet")
    write_table(path, frame, {"a": pl.Int64()}, manifest("x", {}, {}, **facts))


def test_a_dataset_of_corrections_says_what_1000_requests_cost(tree, capsys):
    asked = {"kept": 30, "dropped": {"no_answer": 10}}
    table("generated/base/c2/seed0", rows=450, requests=asked, answered_by=ENGINE)
    table("generated/base/raft/seed0", rows=8)
    print_rates("s")
    out = capsys.readouterr().out
    assert "base/c2/seed0: what 1000 requests cost is not known" in out
    usage = Usage(4, 200, 40_000, 8_000, 2.0, "engine", "NVIDIA H200")
    took("generated/base/c2/seed0", usage)
    print_rates("s")
    out = capsys.readouterr().out
    assert (
        "base/c2/seed0: 1000 requests cost 1,000,000 tokens read and 200,000 written,"
        " 50.0 s of NVIDIA H200 (measured by the engine)" in out
    )
    assert "base/raft" not in out


def test_rows_are_those_that_went_in_and_peaks_those_of_the_engine_too(tree):
    assert {tuple(job) for job in jobs("s")} == {
        ("generate", 10, 4.0, 321.0, 400, 0.5, "NVIDIA H200"),
        ("judge guard", 10, 1.0, None, 0, 0.0, ""),
        ("train", 20, 6.0, 700.0, 600, 5.0, "cpu, 2 threads"),
    }


def test_a_line_a_stage_is_printed(tree, capsys):
    print_rates("s")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [
        ["train", "1", "20", "300.00", "700", "120", "cpu,", "2", "threads"],
        ["generate", "1", "10", "400.00", "321", "800", "NVIDIA", "H200"],
        ["judge", "guard", "1", "10", "100.00", "-", "-", "-"],
    ]


@pytest.mark.parametrize("text", ["", "s\tmax_rss\nx\t1\n", "s\tmax_rss\n1.0\n"])
def test_a_timing_of_another_shape_is_left_out_with_a_warning(tree, text, caplog):
    (tree / f"logs/timing/s/generate/{CELL}.tsv").write_text(text)
    assert [job.what for job in jobs("s")] == ["train", "judge guard"]
    assert f"generate/{CELL}.tsv: no timing of Snakemake's" in caplog.text


def test_a_damaged_result_is_left_out_with_a_warning(tree, caplog):
    path = tree / f"results/s/responses/{CELL}.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    (tree / "results/s/models/base/dpo/seed0/manifest.json").write_text("[]")
    assert [job.what for job in jobs("s")] == ["judge guard"]
    assert caplog.text.count("its job is left out") == 2
