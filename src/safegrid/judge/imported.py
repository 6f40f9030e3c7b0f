"""Verdicts of several judges on one model's answers, from files of elsewhere alone.

The answers are not here: what the files say of them is all that is known. So items are
the prompts, and as many samples of each as any of the files knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, VERDICT
from safegrid.judge.by_file import Key, match
from safegrid.judge.items import Item, unscored
from safegrid.judge.verdict_file import Told, read_told
from safegrid.judge.verdicts import count
from safegrid.readers.problems import Problems

# The columns of a row that must name what is imported, where it has them.
CELL = ("recipe", "benchmark")


def import_files(
    judges: Sequence[tuple[JudgeSpec, Path]],
    prompts: Path,
    cell: Mapping[str, str],
    out: Path,
    names: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Write rows of VERDICT, a file `{judge}.parquet` for each judge.

    Args:
        judges: each with its file of format `verdicts`.
        prompts: rows of PROMPT, the benchmark's.
        cell: the `recipe` and the `benchmark` that are imported; rows that name
            another of one of them are left aside.
        out: folder for the files.
        names: what the files call fields of ours, and ours; null where alike.

    Returns:
        For each judge what a reader should know: rows, labels, unscored, and rows of
        other cells.

    Raises:
        DataError: what is wrong with any of the files, all at once.
    """
    files = [_File(spec, path, cell, names) for spec, path in judges]
    samples = 1 + max((row.sample for f in files for row in f.own), default=0)
    items = _items(prompts, samples)
    answers: dict[Key, str] = {}
    for file in files:
        file.match(items, answers)
    _raise_any(file.problems for file in files)
    return {file.spec.name: file.write(items, prompts, out) for file in files}


class _File:
    """One judge's file: what it tells of this cell, and what is wrong with it.

    Attributes:
        own: its rows of this cell.
        found: those of them that are of an item.
    """

    def __init__(
        self,
        spec: JudgeSpec,
        path: Path,
        cell: Mapping[str, str],
        names: Mapping[str, str] | None,
    ) -> None:
        self.spec, self.path = spec, path
        self.problems = Problems(path)
        told = read_told(path, spec, self.problems, names)
        self.own = [row for row in told if _is_of(row, cell)]
        self.aside = len(told) - len(self.own)
        self.found: dict[Key, Told] = {}
        if told and not self.own:
            said = " and ".join(f"{name} {cell[name]!r}" for name in CELL)
            self.problems.add(1, f"no row is of {said}; they are all of others")

    def match(self, items: Sequence[Item], answers: dict[Key, str]) -> None:
        """Find the items of the rows; note what cannot be.

        Args:
            items: what the rows may be of.
            answers: texts of answers that earlier files named; this one's are added.
        """
        # The texts of the items are not here, so there is nothing to hold one against.
        blind = [row._replace(response=None) for row in self.own]
        self.found = match(blind, items, self.problems)
        responses = {row.line: row.response for row in self.own}
        for key, row in self.found.items():
            text = responses[row.line]
            if text is not None and answers.setdefault(key, text) != text:
                self.problems.add(
                    row.line,
                    "its `response` is another text than an earlier file's for the"
                    " same item: their verdicts are of different answers",
                )

    def write(self, items: Sequence[Item], prompts: Path, out: Path) -> dict[str, Any]:
        """Write a verdict for each item, `unscored` where the file has none."""
        silent = unscored("no verdict in the file")
        keys = [(item.prompt_id, item.sample) for item in items]
        verdicts = [self.found[k].verdict if k in self.found else silent for k in keys]
        rows = [
            {"prompt_id": k[0], "sample": k[1], "judge": self.spec.name, **v._asdict()}
            for k, v in zip(keys, verdicts, strict=True)
        ]
        counted = count(items, verdicts)
        # Of answers that are not here nothing else is known.
        counts = {name: counted[name] for name in ("rows", "labels", "unscored")}
        counts["of_other_cells"] = self.aside
        facts = manifest(
            "import-verdicts",
            inputs={"prompts": prompts, "verdicts_file": self.path},
            params={"judge": self.spec.model_dump()},
            **counts,
        )
        table = pl.DataFrame(rows, schema=VERDICT)
        write_table(out / f"{self.spec.name}.parquet", table, VERDICT, facts)
        return counts


def _is_of(row: Told, cell: Mapping[str, str]) -> bool:
    return all(row.cell.get(name, cell[name]) == cell[name] for name in CELL)


def _items(prompts: Path, samples: int) -> list[Item]:
    asked = read_table(prompts, PROMPT).select("prompt_id", "prompt").rows()
    return [
        Item(prompt_id, sample, messages, "")
        for prompt_id, messages in asked
        for sample in range(samples)
    ]


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
