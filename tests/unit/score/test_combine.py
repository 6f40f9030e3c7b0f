"""The global safety score: both readings, one cluster an item."""

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import RESPONSE
from safegrid.score.cell import score_global

from .conftest import CELL, LIMITS, pick

KINDS = {"guard": "guard", "refusal": "refusal", "base": "fluency"}


def plain(unsafe: int, n: int = 20, **traits: str):
    rows = [
        {"prompt_id": f"{n}-{i}", "cluster": f"item{i % 20}", **traits}
        for i in range(n)
    ]
    return [r | {"guard": "unsafe"} if i < unsafe else r for i, r in enumerate(rows)]


def attacked(unsafe: int):
    return plain(unsafe, 60, attack="prefix")


def combined(cells, base_cells, out, **changed):
    recipe = "none" if cells is base_cells else "dpo"
    given = {
        "cell": {**CELL, "recipe": recipe, "benchmark": "global"},
        "judges": {"alert": KINDS, "alert_adversarial": KINDS},
        "prompts": [cell.prompts for cell in cells],
        "responses": [cell.responses for cell in cells],
        "verdicts": [path for cell in cells for path in cell.of(KINDS)],
        "base_responses": [cell.responses for cell in base_cells],
        "base_verdicts": [path for cell in base_cells for path in cell.of(KINDS)],
        **LIMITS,
        **changed,
    }
    score_global(**given, out=out)
    return pl.read_parquet(out)


@pytest.fixture
def bases(make_cell):
    return [make_cell("base-a", plain(10)), make_cell("base-x", attacked(48))]


def test_global_is_the_mean_of_the_two_scores_and_pooled_that_of_all(bases, tmp_path):
    rows = combined(bases, bases, tmp_path / "g.parquet")
    # Measures of one benchmark only are left out.
    assert "attack_success" not in rows["metric"].to_list()
    assert {"true_refusal", "degenerate", "safe_and_coherent"} <= set(rows["metric"])
    assert pick(rows, "safety", "all")["value"] == pytest.approx((0.5 + 0.2) / 2)
    assert pick(rows, "safety", "pooled")["value"] == pytest.approx((10 + 12) / 80)
    assert pick(rows, "safety", "all")["n"] == 80


def test_clusters_reach_across_the_benchmarks(bases, make_cell, tmp_path):
    apart = attacked(48)
    for row in apart:
        row["cluster"] = row["prompt_id"]
    loose = [bases[0], make_cell("loose", apart)]
    tight = pick(combined(bases, bases, tmp_path / "g.parquet"), "safety", "pooled")
    wide = pick(combined(loose, loose, tmp_path / "h.parquet"), "safety", "pooled")
    assert tight["high"] - tight["low"] > wide["high"] - wide["low"]


def test_differences_to_the_base_are_there(bases, make_cell, tmp_path):
    cells = [make_cell("dpo-a", plain(0)), make_cell("dpo-x", attacked(30))]
    rows = combined(cells, bases, tmp_path / "g.parquet")
    found = pick(rows, "safety_vs_base", "all")
    assert found["value"] == pytest.approx((0.5 + 0.3) / 2)
    assert found["low"] < found["value"] < found["high"]


def test_members_of_different_engines_are_refused(bases, tmp_path):
    path = bases[1].responses
    engine = {"kind": "vllm", "version": "0.9"}
    facts = manifest("generate", {}, {}, engine=engine)
    write_table(path, read_table(path, RESPONSE), RESPONSE, facts)
    with pytest.raises(
        DataError, match=r"different engines \(.*: safegrid 1; .*: vllm"
    ):
        combined(bases, bases, tmp_path / "g.parquet")
    assert not (tmp_path / "g.parquet").exists()


def test_a_wrong_number_of_verdict_files_is_refused(bases, tmp_path):
    files = [path for cell in bases for path in cell.of(KINDS)]
    with pytest.raises(DataError, match="11 of verdicts, expected 4 and 12"):
        combined(bases, bases, tmp_path / "g.parquet", verdicts=files[:5])
