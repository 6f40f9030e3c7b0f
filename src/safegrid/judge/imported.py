"""Verdicts of several judges on one model's answers, from files of elsewhere alone.

The answers are not here: what the files say of them is all that is known. So items are
the prompts, and as many samples of each as any of the files knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.artifacts import manifest, read_table, write_table
from safegrid.config import JudgeSpec
from safegrid.errors import DataError
from safegrid.judge.by_file import Key, match
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.judge.verdict_file import Told, read_told
from safegrid.judge.verdicts import count
from safegrid.problems import Problems
from safegrid.records import PROMPT, VERDICT

# The columns of a row that must name what is imported, where it has them.
CELL = ("recipe", "benchmark")


def import_files(
    judges: Sequence[tuple[JudgeSpec, Path]],
    prompts: Path,
    cell: Mapping[str, str],
    out: Path,
) -> dict[str, dict[str, Any]]:
    """Write rows of VERDICT, a file `{judge}.parquet` for each judge.

    Args:
        judges: each with its file of format `verdicts`.
        prompts: rows of PROMPT, the benchmark's.
        cell: the `recipe` and the `benchmark` that are imported; rows that name
            another of one of them are left aside.
        out: folder for the files.

    Returns:
        For each judge what a reader should know: rows, labels, unscored, and rows of
        other cells.

    Raises:
        DataError: what is wrong with any of the files, all at once.
    """
    problems = {spec.name: Problems(path) for spec, path in judges}
    told = {s.name: read_told(path, s, problems[s.name]) for s, path in judges}
    own = {name: [r for r in rows if _is_of(r, cell)] for name, rows in told.items()}
    samples = 1 + max((row.sample for rows in own.values() for row in rows), default=0)
    items = _items(prompts, samples)
    answers: dict[Key, str] = {}
    found = {}
    for spec, _ in judges:
        noted = problems[spec.name]
        if told[spec.name] and not own[spec.name]:
            noted.add(1, f"no row is of {_said(cell)}; they are all of others")
        rows = [row._replace(response=None) for row in own[spec.name]]
        found[spec.name] = match(rows, items, noted)
        _check_answers(own[spec.name], found[spec.name], answers, noted)
    _raise_any(problems.values())
    counts = {}
    for spec, path in judges:
        aside = {"of_other_cells": len(told[spec.name]) - len(own[spec.name])}
        verdicts = _verdicts(items, found[spec.name])
        counts[spec.name] = _counts(items, verdicts) | aside
        facts = manifest(
            "import-verdicts",
            inputs={"prompts": prompts, "verdicts_file": path},
            params={"judge": spec.model_dump()},
            **counts[spec.name],
        )
        rows = [
            {
                "prompt_id": item.prompt_id,
                "sample": item.sample,
                "judge": spec.name,
                **verdict._asdict(),
            }
            for item, verdict in zip(items, verdicts, strict=True)
        ]
        table = pl.DataFrame(rows, schema=VERDICT)
        write_table(out / f"{spec.name}.parquet", table, VERDICT, facts)
    return counts


def _is_of(row: Told, cell: Mapping[str, str]) -> bool:
    return all(row.cell.get(name, cell[name]) == cell[name] for name in CELL)


def _said(cell: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {cell[name]!r}" for name in CELL)


def _items(prompts: Path, samples: int) -> list[Item]:
    asked = read_table(prompts, PROMPT).select("prompt_id", "prompt").rows()
    return [
        Item(prompt_id, sample, messages, "")
        for prompt_id, messages in asked
        for sample in range(samples)
    ]


def _check_answers(
    told: Sequence[Told],
    found: Mapping[Key, Told],
    answers: dict[Key, str],
    problems: Problems,
) -> None:
    """Note rows whose `response` is another than one of a file before; keep the rest.

    A label and a reward of two different answers would make one item of them.
    """
    responses = {row.line: row.response for row in told}
    for key, row in found.items():
        response = responses[row.line]
        if response is not None and answers.setdefault(key, response) != response:
            problems.add(
                row.line,
                "its `response` is another text than an earlier file's for the same"
                " item: their verdicts are of different answers",
            )


def _raise_any(files: Iterable[Problems]) -> None:
    """Raise what is wrong with all files in one message."""
    said = []
    for problems in files:
        try:
            problems.raise_any()
        except DataError as error:
            said.append(str(error))
    if said:
        raise DataError("\n".join(said))


def _verdicts(items: Sequence[Item], found: Mapping[Key, Told]) -> list[Verdict]:
    """Return a verdict for each item, `unscored` where the file has none."""
    silent = unscored("no verdict in the file")
    keys = ((item.prompt_id, item.sample) for item in items)
    return [found[key].verdict if key in found else silent for key in keys]


def _counts(items: Sequence[Item], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Count verdicts; of answers that are not here nothing else is known."""
    counts = count(items, verdicts)
    return {name: counts[name] for name in ("rows", "labels", "unscored")}
