"""`safegrid plan` prints a plan of every study, and says what it takes for granted."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from safegrid.cli import run
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.records import COMPARISON
from safegrid.cost.power import TEST

CONFIG = Path(__file__).parents[3] / "config"
PAGE = (CONFIG.parent / "docs/plan_the_cost.md").read_text(encoding="utf-8")
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Return a caller of a plan on a clean checkout, as far as a plan looks at it.

    It gives the status, what is printed, and with `--out` the JSON.
    """
    (tmp_path / "config").symlink_to(CONFIG)
    monkeypatch.chdir(tmp_path)

    def call(study, *options, gpu="h200"):
        status = run(["plan", "--study", study, "--gpu", gpu, *options])
        told = capsys.readouterr()
        if "--out" not in options:
            return status, told.out or told.err
        return status, told.out, json.loads(Path("plan.json").read_text())

    return call


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_whole_plan_on_a_clean_checkout(plan, study):
    status, text = plan(study)
    assert status == 0
    assert "In all: " in text
    assert "not known" not in text
    assert "NO\n" not in text


def test_the_page_shows_what_is_printed_and_the_rest_what_is_assumed(plan):
    _, text = plan("falcon-11b", "--price", "3.5")
    tables, _, reckoned = text.partition("\n\nHow it was reckoned:")
    assert tables in PAGE
    lines = [
        "- train reaches 0.4 of its limit (assumed)",
        "answers assumed to be as long as max_new_tokens allows",
        "shape stated in the registry, from memory: falcon-11b, mistral",
    ]
    assert [line for line in lines if line not in reckoned] == []


def test_what_a_study_needs_from_outside_is_told(plan):
    _, text, written = plan("falcon-11b", "--out", "plan.json")
    told = text.partition("What it needs from outside:\n")[2]
    (line,) = [line for line in told.splitlines() if "xstest-completions" in line]
    assert line.endswith(
        "for judges.fluency.labelled_source, judges.refusal-rules.labelled_source"
    )
    assert len(written["prerequisites"]) == len(told.splitlines())
    assert plan("mini")[1].endswith("What it needs from outside: nothing\n")


def test_what_an_endpoint_is_sent_is_told(plan):
    _, text, written = plan("course-correction", "--out", "plan.json")
    (line,) = [line for line in text.splitlines() if "its endpoint" in line]
    assert line in PAGE
    (sent,) = written["endpoints"].values()
    # Twelve models, 500 rows: eight prefills in each of two turns, and none.
    assert sent["number"] == 12 * 500 * (8 + 8 + 1)
    assert sent["writes"] == 2 * sent["number"]
    assert sent["hours"] == pytest.approx(sent["number"] / 400 / 60)
    assert "its endpoint" not in plan("tiny")[1]


def test_a_plan_is_json_too_and_adds_up(plan):
    hours = []
    for share in ("0.4", "0.8"):
        options = ("--price", "2", "--mfu", f"train={share}", "--out", "plan.json")
        found = plan("falcon-11b", *options)[2]
        rows = found["rows"]
        total = sum(row["gpu_hours"] for row in rows) + found["starts"][1]
        assert found["totals"]["gpu_hours"] == pytest.approx(total)
        assert found["totals"]["cost"] == pytest.approx(2 * total)
        assert found["shares"]["train"]["source"] == "given with --mfu"
        hours.append(sum(r["gpu_hours"] for r in rows if r["kind"] == "train"))
    # Twice the share is half the hours.
    assert hours[0] == pytest.approx(2 * hours[1])


def test_a_plan_that_does_not_fit_ends_with_an_error(plan):
    status, text = plan("falcon-11b", gpu="a100-40")
    assert status == 1
    assert "These jobs do not fit and are refused:" in text
    assert "it fits with `processes: 4` with `accelerate: fsdp`" in text


@pytest.mark.parametrize(
    ("study", "gpu", "options", "parts"),
    [
        (
            "mini",
            "h20",
            ("--price", "-2", "--mfu", "train=1.5,walk=1,judge=x"),
            [
                "5 problems",
                "--gpu: gpu: got 'h20', no GPU of that name; did you mean 'h200'?",
                "--price: price: got '-2': must be a number, 0 or more",
                "got '1.5' for train: must be above 0, at most 1",
                "got 'walk', no kind of job of that name",
                "got 'x' for judge",
            ],
        ),
        ("mini", "h200", ("--price", "nan"), ["got 'nan'"]),
        ("mini", "h200", ("--price", "three"), ["got 'three'"]),
        ("falcon", "h200", (), ["did you mean 'falcon-11b'?"]),
    ],
)
def test_everything_wrong_is_told_at_once(plan, study, gpu, options, parts):
    status, text = plan(study, *options, gpu=gpu)
    assert status == 1
    assert [part for part in parts if part not in text] == []


def test_what_is_not_known_is_blank_with_its_reason(plan):
    Path("config").unlink()
    status, text = plan("mini")
    assert status == 1
    assert "run this from the repository's root" in text
    shutil.copytree(CONFIG, "config")
    path = Path("config/assumptions.yaml")
    path.write_text(path.read_text().replace("  mini_math: ", "  maxi_math: "))
    status, text = plan("mini")
    assert status == 0
    assert "33 (33 not known)" in text
    assert "without 33 jobs of which too little is known:" in text
    assert "capability capability: nothing is known of task mini_math" in text


def test_it_says_how_small_a_difference_a_benchmark_can_show(plan):
    """450 prompts, 20% of them different: 2.81 standard errors of sqrt(0.2 / 450)."""
    _, text = plan("falcon-11b")
    head = f"Smallest difference of two methods that a paired test finds ({TEST}):"
    told = text.split(head)[1]
    assert "xstest: 5.9 points by all 450 prompts (assumed: no two of one" in told
    assert head in PAGE


def test_a_finished_studys_own_pairs_replace_what_is_assumed(plan):
    plan("tiny")
    about = ("b", "pair", "alert", "guard", "safety", "all")
    names = ("base", "kind", "benchmark", "judge", "metric", "slice")
    row = {**dict.fromkeys(COMPARISON), **dict(zip(names, about, strict=True))}
    rows = [{**row, "smallest": found} for found in (0.02, 0.04, 0.09, 0.0, None)]
    table = pl.DataFrame(rows, schema=COMPARISON, orient="row")
    path = Path("results/tiny/comparisons/b.parquet")
    write_table(path, table, COMPARISON, manifest("compare", {}, {}))
    _, text = plan("tiny")
    assert "alert: 0.04 of safety by guard (measured: median of 3 pairs)" in text
    assert "assumed: " not in text.split("Smallest difference")[1].split("\n\n")[0]
