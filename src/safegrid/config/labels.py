"""People's labels of a study's answers: of which cells, and under which judge."""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import Problems

RATERS = ("rater_1", "rater_2")
"""Columns that people fill; the second may stay empty."""
FOLDER = "labels"
"""Of the configuration: a file a study, as `safegrid label` writes it."""


class LabelledCell(NamedTuple):
    """A cell of which answers are labelled, in the classes of one of its judges."""

    judge: str
    base: str
    recipe: str
    seed: int
    benchmark: str


def item_of(place: Mapping[str, object], response: str) -> str:
    """Return the name of an answer: a hash of where it stands and what it says.

    Args:
        place: its base, recipe, seed, benchmark, prompt_id and sample.
        response: its text.
    """
    names = (*LabelledCell._fields[1:], "prompt_id", "sample")
    parts = [*(str(place[name]) for name in names), response]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def labels_file(root: Path, study: str) -> Path:
    """Return where a study's labels lie."""
    return root / FOLDER / f"{study}.csv"


def labelled_cells(
    path: Path, benchmarks: Mapping[str, BenchmarkSpec], problems: Problems
) -> tuple[LabelledCell, ...]:
    """Return the cells that a file of labels names, each once; none without the file.

    A judge that no longer judges a benchmark, a column that is not there and a seed
    that is no number are noted.
    """
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = set(LabelledCell._fields) - set(rows.fieldnames or ())
        if missing:
            told = f"has no column {', '.join(sorted(missing))}"
            problems.add(
                str(path), "header", f"{told}; `safegrid label` writes them all"
            )
            return ()
        found: dict[LabelledCell, None] = {}
        for row in rows:
            benchmark, judge, seed = row["benchmark"], row["judge"], row["seed"]
            where = f"{path}:{rows.line_num}"
            if benchmark not in benchmarks or judge not in benchmarks[benchmark].judges:
                told = f"{judge!r} judges no benchmark {benchmark!r} of the study"
                problems.add(where, "judge", f"{told}; remove its lines")
            elif not seed.isdigit():
                problems.add(where, "seed", f"{seed!r} is no whole number")
            else:
                cell = LabelledCell(
                    judge, row["base"], row["recipe"], int(seed), benchmark
                )
                found[cell] = None
    return tuple(sorted(found))
