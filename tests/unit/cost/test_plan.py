"""`safegrid plan` prints a plan of every study, and says what it takes for granted."""

import json
from pathlib import Path

import pytest

from safegrid.cli import run

CONFIG = Path(__file__).parents[3] / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A clean checkout, as far as a plan looks at it."""
    (tmp_path / "config").symlink_to(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*options):
    return run(["plan", *options])


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_whole_plan_on_a_clean_checkout(root, study, capsys):
    assert plan("--study", study, "--gpu", "h200") == 0
    text = capsys.readouterr().out
    assert "In all: " in text
    assert "not known" not in text
    assert "NO\n" not in text


def test_the_full_study_says_what_it_assumes(root, capsys):
    plan("--study", "falcon-11b", "--gpu", "h200", "--price", "3.5")
    text = capsys.readouterr().out
    lines = [
        "study falcon-11b on h200 (141 GB, 989 TFLOP/s in bfloat16",
        "in money at 3.5 a GPU-hour",
        "Every job whose model is known fits: 131 of 141 GB can be used.",
        "- train reaches 0.4 of its limit (assumed)",
        "answers assumed to be as long as max_new_tokens allows",
        "shape stated in the registry, from memory: falcon-11b, mistral",
    ]
    assert [line for line in lines if line not in text] == []


def test_what_a_study_needs_from_outside_is_told(root, capsys):
    plan("--study", "falcon-11b", "--gpu", "h200", "--out", "plan.json")
    told = capsys.readouterr().out.partition("What it needs from outside:\n")[2]
    lines = [line for line in told.splitlines() if "xstest-completions" in line]
    assert len(lines) == 1
    assert lines[0].endswith(
        "for judges.fluency.labelled_source, judges.refusal-rules.labelled_source"
    )
    written = json.loads(Path("plan.json").read_text())["prerequisites"]
    assert len(written) == len(told.splitlines())
    plan("--study", "mini", "--gpu", "h200")
    assert capsys.readouterr().out.endswith("What it needs from outside: nothing\n")


def test_the_page_shows_what_is_printed(root, capsys):
    plan("--study", "falcon-11b", "--gpu", "h200", "--price", "3.5")
    tables = capsys.readouterr().out.partition("\n\nHow it was reckoned:")[0]
    page = CONFIG.parent / "docs/plan_the_cost.md"
    assert tables in page.read_text(encoding="utf-8")


def test_what_an_endpoint_is_sent_is_told(root, capsys):
    plan("--study", "course-correction", "--gpu", "h200", "--out", "plan.json")
    said = capsys.readouterr().out
    page = (CONFIG.parent / "docs/plan_the_cost.md").read_text(encoding="utf-8")
    (line,) = [line for line in said.splitlines() if "its endpoint" in line]
    assert line in page
    (sent,) = json.loads((root / "plan.json").read_text())["endpoints"].values()
    # Twelve models, 500 rows: eight prefills in each of two turns, and none.
    assert sent["number"] == 12 * 500 * (8 + 8 + 1)
    assert sent["writes"] == 2 * sent["number"]
    assert sent["hours"] == pytest.approx(sent["number"] / 400 / 60)
    plan("--study", "tiny", "--gpu", "h200")
    assert "its endpoint" not in capsys.readouterr().out


def test_a_plan_is_json_too_and_adds_up(root):
    plan(
        *("--study", "falcon-11b", "--gpu", "h200", "--price", "2"),
        *("--mfu", "train=0.8", "--out", "plan.json"),
    )
    found = json.loads((root / "plan.json").read_text())
    hours = sum(row["gpu_hours"] for row in found["rows"]) + found["starts"][1]
    assert found["totals"]["gpu_hours"] == pytest.approx(hours)
    assert found["totals"]["cost"] == pytest.approx(2 * hours)
    assert found["shares"]["train"]["source"] == "given with --mfu"


def test_twice_the_share_is_half_the_hours(root):
    hours = []
    for share in ("0.4", "0.8"):
        plan(
            *("--study", "falcon-11b", "--gpu", "h200"),
            *("--mfu", f"train={share}", "--out", "plan.json"),
        )
        rows = json.loads((root / "plan.json").read_text())["rows"]
        hours.append(sum(r["gpu_hours"] for r in rows if r["kind"] == "train"))
    assert hours[0] == pytest.approx(2 * hours[1])


def test_a_plan_that_does_not_fit_ends_with_an_error(root, capsys):
    assert plan("--study", "falcon-11b", "--gpu", "a100-40") == 1
    text = capsys.readouterr().out
    assert "These jobs do not fit and are refused:" in text
    assert "it fits with `processes: 4` with `accelerate: fsdp`" in text


def test_everything_wrong_is_told_at_once(root, capsys):
    options = ("--gpu", "h20", "--price", "-2", "--mfu", "train=1.5,walk=1,judge=x")
    assert plan("--study", "mini", *options) == 1
    text = capsys.readouterr().err
    parts = [
        "5 problems",
        "--gpu: gpu: got 'h20', no GPU of that name; did you mean 'h200'?",
        "--price: price: got '-2': must be a number, 0 or more",
        "got '1.5' for train: must be above 0, at most 1",
        "got 'walk', no kind of job of that name",
        "got 'x' for judge",
    ]
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("price", ["nan", "inf", "three"])
def test_a_price_is_a_number(root, price, capsys):
    assert plan("--study", "mini", "--gpu", "h200", "--price", price) == 1
    assert f"got '{price}'" in capsys.readouterr().err


def test_an_unknown_study_is_named_with_the_likely_one(root, capsys):
    assert plan("--study", "falcon", "--gpu", "h200") == 1
    assert "did you mean 'falcon-11b'?" in capsys.readouterr().err


def test_a_plan_needs_the_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert plan("--study", "mini", "--gpu", "h200") == 1
    assert "run this from the repository's root" in capsys.readouterr().err


def test_what_is_not_known_is_blank_with_its_reason(tmp_path, monkeypatch, capsys):
    import shutil

    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config/assumptions.yaml"
    path.write_text(path.read_text().replace("  mini_math: ", "  maxi_math: "))
    monkeypatch.chdir(tmp_path)
    assert plan("--study", "mini", "--gpu", "h200") == 0
    text = capsys.readouterr().out
    assert "25 (25 not known)" in text
    assert "without 25 jobs of which too little is known:" in text
    assert "capability capability: nothing is known of task mini_math" in text
