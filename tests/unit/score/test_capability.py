"""Capability rows from items: per task, and the mean of the tasks."""

import polars as pl
import pytest

from safegrid.core.artifacts import write_result
from safegrid.core.errors import DataError
from safegrid.score.capability import score_capability

from .conftest import CELL, ENGINE, LIMITS


def suite(path, math, facts, metric="exact_match"):
    def items(values):
        return [
            {"doc_id": i, "metric": metric, "value": v} for i, v in enumerate(values)
        ]

    content = {"items": {"math": items(math), "facts": items(facts)}}
    write_result(path, {**content, "manifest": {"engine": ENGINE}})
    return path


def scored(results, base, out, recipe="dpo"):
    files = {"results": results, "base_results": base, "out": out}
    score_capability(cell={**CELL, "recipe": recipe}, **files, **LIMITS)
    rows = pl.read_parquet(out)
    return {(row["metric"], row["slice"]): row for row in rows.to_dicts()}


@pytest.fixture
def base(tmp_path):
    return suite(tmp_path / "base.json", [1] * 30 + [0] * 10, [1, 0] * 5)


def test_mean_is_of_the_tasks_not_of_the_items(base, tmp_path):
    rows = scored(base, base, tmp_path / "o.parquet", "none")
    assert rows["capability", "task=math"]["value"] == 0.75
    assert rows["capability", "task=facts"]["value"] == 0.5
    assert rows["capability", "all"]["value"] == pytest.approx(0.625)
    assert rows["capability", "all"]["n"] == 50
    assert len(rows) == 3


def test_losses_against_the_base_are_paired_by_item(base, tmp_path):
    own = suite(tmp_path / "own.json", [1] * 20 + [0] * 20, [1, 0] * 5)
    rows = scored(own, base, tmp_path / "o.parquet")
    found = rows["capability_vs_base", "task=math"]
    assert found["value"] == pytest.approx(-0.25)
    assert found["low"] < -0.25 < found["high"] < 0


def test_scores_that_are_no_shares_get_a_bootstrap(base, tmp_path):
    own = suite(tmp_path / "own.json", [0.25, 0.5] * 20, [1, 0] * 5)
    found = scored(own, base, tmp_path / "o.parquet")["capability", "task=math"]
    assert 0.25 < found["low"] < 0.375 < found["high"] < 0.5


def test_other_items_than_the_bases_are_refused(base, tmp_path):
    own = suite(tmp_path / "own.json", [1] * 39, [1, 0] * 5)
    with pytest.raises(DataError, match="49 items, not those of"):
        scored(own, base, tmp_path / "o.parquet")


def test_a_file_without_items_is_refused(base, tmp_path):
    write_result(tmp_path / "own.json", {"items": {}})
    with pytest.raises(DataError, match="holds no items"):
        scored(tmp_path / "own.json", base, tmp_path / "o.parquet")
