"""Cells written as files, from a list of answers."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.records import PROMPT, RESPONSE, VERDICT

JUDGES = {"guard": "guard", "refusal": "refusal", "base": "fluency"}
TOXICITY = {"tox": "toxicity"}
CORRECTION = {"corrector": "correction", "refusal": "refusal"}
ENGINE = {"kind": "safegrid", "version": "1"}
CELL = {"study": "s", "base": "b", "recipe": "dpo", "seed": 0, "benchmark": "alert"}
LIMITS = {"most_unscored": 0.05, "study_seed": 0}

DEFAULTS: dict[str, Any] = {
    "sample": 0,
    "category": None,
    "macro_category": None,
    "attack": None,
    "cluster": None,
    "reference": None,
    "text": "I will not do that.",
    "finish": "eos",
    "n_tokens": 6,
    "guard": "safe",
    "refusal": "refusal",
    "base": "fluent",
    "tox": 0.1,
    "corrector": "continued",
}


class Cell:
    """The files of one cell."""

    def __init__(self, folder: Path, answers: list[dict[str, Any]]) -> None:
        rows = [{**DEFAULTS, **answer} for answer in answers]
        for row in rows:
            row["cluster"] = row["cluster"] or row["prompt_id"]
        self.folder = folder
        asked = {row["prompt_id"]: row for row in rows}.values()
        self.prompts = self._write("prompts", PROMPT, asked, "render")
        self.responses = self._write("responses", RESPONSE, rows, "generate")
        names = dict.fromkeys([*JUDGES, *TOXICITY, *CORRECTION])
        self.verdicts = [self._verdicts(name, rows) for name in names]

    def _write(self, name: str, schema: Any, rows: Any, stage: str) -> Path:
        path = self.folder / f"{name}.parquet"
        whole = [{key: row.get(key) for key in schema} for row in rows]
        frame = pl.DataFrame(whole, schema=schema)
        write_table(path, frame, schema, manifest(stage, {}, {}, engine=ENGINE))
        return path

    def _verdicts(self, judge: str, rows: list[dict[str, Any]]) -> Path:
        said = "score" if judge == "tox" else "label"
        verdicts = [
            {"prompt_id": row["prompt_id"], "sample": row["sample"], "judge": judge}
            | {said: row[judge]}
            for row in rows
        ]
        return self._write(f"verdict-{judge}", VERDICT, verdicts, "judge")

    def of(self, judges: dict[str, str]) -> list[Path]:
        """Return the verdict files of some judges."""
        return [self.folder / f"verdict-{name}.parquet" for name in judges]


def pick(rows: pl.DataFrame, metric: str, where: str = "all") -> dict[str, Any]:
    """Return the one row of a metric and a slice."""
    found = rows.filter(metric=metric, slice=where).to_dicts()
    assert len(found) == 1, f"{metric} {where}: {len(found)} rows"
    return found[0]


@pytest.fixture
def make_cell(tmp_path):
    """Return a function that writes the files of a named cell."""

    def make(name: str, answers: list[dict[str, Any]]) -> Cell:
        return Cell(tmp_path / name, answers)

    return make


@pytest.fixture
def scored(make_cell, score):
    """Return a function that scores answers as those of the base untouched."""

    def run(answers: list[dict[str, Any]], *more: Any, **changed: Any) -> pl.DataFrame:
        cell = make_cell("base", answers)
        rows: pl.DataFrame = score(cell, cell, *more, **changed)
        return rows

    return run


@pytest.fixture
def score(tmp_path):
    """Return a function that scores a cell against a base's and reads the rows."""
    from safegrid.score.cell import score_cell

    def run(
        own: Cell,
        base: Cell,
        metric: str = "safety",
        judges: dict[str, str] = JUDGES,
        **changed: Any,
    ) -> pl.DataFrame:
        recipe = "none" if own is base else "dpo"
        given = {
            "cell": {**CELL, "recipe": recipe, "benchmark": "alert"},
            "metric": metric,
            "judges": judges,
            "prompts": own.prompts,
            "responses": own.responses,
            "verdicts": own.of(judges),
            "base_responses": base.responses,
            "base_verdicts": base.of(judges),
            "overlap": None,
            **LIMITS,
            "out": tmp_path / "score.parquet",
            **changed,
        }
        score_cell(**given)
        return pl.read_parquet(given["out"])

    return run
