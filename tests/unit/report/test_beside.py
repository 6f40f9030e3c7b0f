"""The paper's numbers beside ours: the right pairs, and a reason in every blank."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.config.methods import METHODS
from safegrid.report.alignment.published_beside import MEASURES, NO_MODEL, beside_table
from safegrid.report.published import published_number, read_published
from safegrid.report.writing import latex, markdown
from score_tables import cell

CONFIG = Path(__file__).parents[3] / "config"
GLOBAL = "global safety score"


@pytest.fixture(scope="module")
def published():
    return read_published(CONFIG / "published/2409.07772.csv")


@pytest.fixture(scope="module")
def table(scores, published):
    return beside_table(scores, published)


def test_a_published_number_stands_beside_ours_of_the_same_model(table, scores):
    assert cell(table, "Falcon 11B Instruct", f"{GLOBAL}, published").value == 57.64
    for item, recipe in [("Falcon 11B Instruct", "none"), ("Safe-NCA", "nca")]:
        where = {"recipe": recipe, "benchmark": "global", "metric": "safety"}
        row = scores.filter(**where, slice="all").to_dicts()[0]
        entry = cell(table, item, f"{GLOBAL}, ours")
        assert (entry.value, entry.low, entry.n) == (
            row["value"],
            row["low"],
            row["n"],
        )


def test_each_metric_of_the_paper_has_its_own_of_ours(table):
    ours = [column for column in table.columns if column.title.endswith(", ours")]
    assert [column.key.benchmark for column in ours] == [
        "global",
        "alert",
        "alert_adversarial",
        "toxicity",
        "toxicity",
        "capability",
    ]
    assert [column.key.slice for column in ours[3:]] == [
        "adversarial=no",
        "adversarial=yes",
        "task=mini_math",
    ]
    assert len(table.columns) == 2 * len(MEASURES)


def test_mathematics_of_the_papers_study_is_math_itself(scores, published):
    slices = {"task=mini_math": "task=real_math_hard", "task=mini_facts": "task=gsm8k"}
    table = beside_table(
        scores.with_columns(pl.col("slice").replace(slices)), published
    )
    column = next(c for c in table.columns if c.title == "mathematics, ours")
    assert column.key.slice == "task=real_math_hard"


def test_every_blank_has_its_reason(table):
    entries = [entry for row in table.entries for entry in row]
    blanks = [entry for entry in entries if entry.value is None]
    assert blanks
    assert all(entry.reason.endswith(".") for entry in blanks)
    toxic = "average toxicity in adversarial settings, published"
    assert "over 0.6" in cell(table, "Falcon 11B Instruct", toxic).reason
    assert "below 0.07" in cell(table, "Safe Falcon 11B", toxic).reason
    assert "no table by method" in cell(table, "Safe-SPPO", toxic).reason.lower()
    assert cell(table, "Gemma 2 9B", f"{GLOBAL}, ours").reason == NO_MODEL
    assert "not named" in cell(table, "Safe Falcon 11B", f"{GLOBAL}, ours").reason


def test_a_compared_base_stands_beside_its_bar(scores, published):
    other = scores.filter(recipe="none").with_columns(base=pl.lit("gemma-2-9b-it"))
    table = beside_table(pl.concat([scores, other]), published)
    entry = cell(table, "Gemma 2 9B", f"{GLOBAL}, ours")
    mine = cell(table, "Falcon 11B Instruct", f"{GLOBAL}, ours")
    assert entry.value == mine.value
    assert len(table.rows) == len(set(table.rows))


def test_two_trained_bases_have_a_row_each(scores, published):
    other = scores.with_columns(base=pl.lit("other-base"))
    table = beside_table(pl.concat([scores, other]), published)
    assert {"Safe-NCA (mini-base)", "Safe-NCA (other-base)"} <= set(table.rows)


def test_two_judges_have_a_column_each(scores, published):
    second = scores.filter(metric="safety").with_columns(judge=pl.lit("second"))
    table = beside_table(pl.concat([scores, second]), published)
    assert f"{GLOBAL}, ours (judge)" in [column.title for column in table.columns]
    assert f"{GLOBAL}, ours (second)" in [column.title for column in table.columns]


def test_it_says_that_the_miniature_is_not_to_be_compared(table):
    for text in (markdown(table), latex(table)):
        assert "no two columns here can be compared" in " ".join(text.split())
        assert "57.64" in text
        assert "99.90" in text


def test_numbers_of_a_metric_that_nobody_prints_have_a_reason(published):
    value, reason = published_number(published, "Safe-DPO", "made up")
    assert value is None
    assert reason.startswith("The paper gives no such number")


def test_models_of_the_file_are_models_of_the_papers_study(published):
    config = load_config(CONFIG, "falcon-11b")
    known = {"none", *config.recipes, *config.study.compared}
    named = set(published["model"].drop_nulls())
    assert named == known
    assert set(METHODS) - {"sft", "reward"} <= named
    assert set(published["metric"]) == set(MEASURES)
    assert "real_math_hard" in yaml.safe_load((CONFIG / "tasks.yaml").read_text())
