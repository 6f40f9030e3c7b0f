"""People's labels of a study's answers: of which cells, and under which judge."""

import csv
import hashlib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import Problems
from safegrid.config.judge import JudgeSpec
from safegrid.config.judge_entry import JudgeEntry

RATERS = ("rater_1", "rater_2")
"""Columns that people fill; the second may stay empty."""
GUARD = ("safe", "unsafe")
"""Classes of a guard."""
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
    path: Path,
    benchmarks: Mapping[str, BenchmarkSpec],
    judges: Mapping[str, JudgeEntry],
    models: Container[tuple[str, str, str]],
    problems: Problems,
) -> tuple[LabelledCell, ...]:
    """Return the cells that a file of labels names, each once; none without the file.

    What names no cell of the study, or no class of its judge, is noted with its line.

    Args:
        path: of the file.
        benchmarks: of the study.
        judges: of the registry.
        models: base, recipe and seed of each.
        problems: where to note.
    """
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {*LabelledCell._fields, *RATERS} - set(rows.fieldnames or ())
        if missing:
            told = f"has no column {', '.join(sorted(missing))}"
            problems.add(str(path), "header", f"{told}; `safegrid label` writes them")
            return ()
        found: dict[LabelledCell, None] = {}
        for row in rows:
            faults = list(_faults(row, benchmarks, judges, models))
            for column, fault in faults:
                problems.add(f"{path}:{rows.line_num}", column, fault)
            if not faults:
                seed = int(row["seed"])
                cell = (
                    row["judge"],
                    row["base"],
                    row["recipe"],
                    seed,
                    row["benchmark"],
                )
                found[LabelledCell(*cell)] = None
    return tuple(sorted(found))


def _faults(
    row: Mapping[str, str],
    benchmarks: Mapping[str, BenchmarkSpec],
    judges: Mapping[str, JudgeEntry],
    models: Container[tuple[str, str, str]],
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a line, by its column."""
    judge, benchmark = row["judge"], row["benchmark"]
    if benchmark not in benchmarks or judge not in benchmarks[benchmark].judges:
        told = f"{judge!r} judges no benchmark {benchmark!r} of the study"
        yield "judge", f"{told}; remove the line"
        return
    if (row["base"], row["recipe"], row["seed"]) not in models:
        told = f"{row['base']} {row['recipe']!r} seed {row['seed']} is no model"
        yield "recipe", f"{told} of the study; remove the line"
    for rater in RATERS:
        if row[rater] not in ("", *classes_of(judges[judge])):
            told = f"{row[rater]!r} is none of {', '.join(classes_of(judges[judge]))}"
            yield rater, told
    if not any(row[rater] for rater in RATERS):
        yield RATERS[0], "nobody labelled the answer; remove the line"


def classes_of(judge: JudgeSpec) -> tuple[str, ...]:
    """Return a guard's, or a refusal judge's, classes: people label answers in them."""
    return GUARD if judge.kind == "guard" else tuple(judge.classes)
