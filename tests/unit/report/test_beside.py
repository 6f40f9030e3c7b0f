"""The paper's numbers beside ours: the right pairs, and a reason in every blank."""

from typing import get_args

import polars as pl
import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.config.methods import METHODS
from safegrid.config.study import StudyEntry
from safegrid.report.alignment import MEASURES, NO_MODEL, beside_table
from safegrid.report.partial import PAPERS
from safegrid.report.published import published_number
from safegrid.report.writing import markdown
from score_tables import cell, score, titles

GLOBAL = "global safety score"


@pytest.fixture(scope="module")
def published(papers):
    return papers["2409.07772"]


@pytest.fixture(scope="module")
def table(scores, published):
    return beside_table(scores, published)


def test_a_published_number_stands_beside_ours_of_the_same_model(table, scores):
    assert cell(table, "Falcon 11B Instruct", f"{GLOBAL}, published").value == 57.64
    for item, recipe in [("Falcon 11B Instruct", "none"), ("Safe-NCA", "nca")]:
        row = score(scores, recipe=recipe, benchmark="global", metric="safety")
        entry = cell(table, item, f"{GLOBAL}, ours")
        found = (entry.value, entry.low, entry.n)
        assert found == (row["value"], row["low"], row["n"])


def test_each_metric_of_the_paper_has_its_own_of_ours(table):
    ours = [column.key for column in table.columns if column.title.endswith(", ours")]
    assert "; ".join(f"{key.benchmark} {key.slice}" for key in ours) == (
        "global all; alert all; alert_adversarial all; toxicity adversarial=no; "
        "toxicity adversarial=yes; capability task=mini_math"
    )
    assert len(table.columns) == 2 * len(MEASURES)


def test_mathematics_of_the_papers_study_is_math_itself(scores, published):
    slices = {"task=mini_math": "task=real_math_hard", "task=mini_facts": "task=gsm8k"}
    renamed = scores.with_columns(pl.col("slice").replace(slices))
    table = beside_table(renamed, published)
    column = table.columns[titles(table).index("mathematics, ours")]
    assert column.key.slice == "task=real_math_hard"


def test_every_blank_has_its_reason(table, published):
    blanks = [entry for row in table.entries for entry in row if entry.value is None]
    assert blanks
    assert all(entry.reason.endswith(".") for entry in blanks)
    toxic = "average toxicity in adversarial settings, published"
    assert "over 0.6" in cell(table, "Falcon 11B Instruct", toxic).reason
    assert "below 0.07" in cell(table, "Safe Falcon 11B", toxic).reason
    assert "no table by method" in cell(table, "Safe-SPPO", toxic).reason.lower()
    assert cell(table, "Gemma 2 9B", f"{GLOBAL}, ours").reason == NO_MODEL
    assert "not named" in cell(table, "Safe Falcon 11B", f"{GLOBAL}, ours").reason
    nobodys = published_number(published, "Safe-DPO", "made up")
    assert nobodys.value is None
    assert nobodys.reason.startswith("The paper gives no such number")


def test_bases_and_judges_are_told_apart(scores, published):
    compared = scores.filter(recipe="none").with_columns(base=pl.lit("gemma-2-9b-it"))
    table = beside_table(pl.concat([scores, compared]), published)
    entry = cell(table, "Gemma 2 9B", f"{GLOBAL}, ours")
    assert entry == cell(table, "Falcon 11B Instruct", f"{GLOBAL}, ours")
    trained = scores.with_columns(base=pl.lit("other-base"))
    rows = beside_table(pl.concat([scores, trained]), published).rows
    assert {"Safe-NCA (mini-base)", "Safe-NCA (other-base)"} <= set(rows)
    second = scores.filter(metric="safety").with_columns(judge=pl.lit("second"))
    shown = titles(beside_table(pl.concat([scores, second]), published))
    assert {f"{GLOBAL}, ours (judge)", f"{GLOBAL}, ours (second)"} <= set(shown)


def test_it_says_that_the_miniature_is_not_to_be_compared(table):
    text = markdown(table)
    assert "no two columns here can be compared" in text
    assert "99.90" in text


def test_every_paper_has_its_pages_its_numbers_and_its_rules(request, papers):
    root = request.config.rootpath
    assert set(get_args(StudyEntry.model_fields["paper"].annotation)) == set(PAPERS)
    rules = yaml.safe_load((root / "rules/pages.yaml").read_text(encoding="utf-8"))
    for number, (tables, figures) in PAPERS.items():
        (page,) = (page for page in rules.values() if page.get("paper") == number)
        assert page["tables"] == list(tables)
        assert page["figures"] == list(figures)
        assert papers[number]["paper"].unique().to_list() == [number]


def test_models_of_the_file_are_models_of_the_papers_study(request, published):
    folder = request.config.rootpath / "config"
    config = load_config(folder, "falcon-11b")
    known = {"none", *config.recipes, *config.study.compared}
    named = set(published["model"].drop_nulls())
    assert named == known
    assert set(METHODS) - {"sft", "reward"} <= named
    assert set(published["metric"]) == set(MEASURES)
    assert "real_math_hard" in yaml.safe_load((folder / "tasks.yaml").read_text())
