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
from safegrid.core.records import LABEL

RATERS = ("rater_1", "rater_2")
"""Columns that people fill; the second may stay empty."""
KINDS = ("guard", "refusal")
"""Kinds of judges in whose classes people label answers."""
GUARD = ("safe", "unsafe")
"""Classes of a guard."""
FOLDER = "labels"
"""Of the configuration: a file a study, as `safegrid label` writes it."""


ANSWER = ("judge", "base", "recipe", "seed", "benchmark", "prompt_id", "sample")
"""Columns that name an answer, and the judge whose question is asked of it."""


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

    What names no cell of the study, or no class of its judge, or labels an answer twice
    is noted with its line.

    Args:
        path: of the file.
        benchmarks: of the study.
        judges: of the registry.
        models: base, recipe and seed of each.
        problems: where to note.
    """
    first: dict[tuple[str, ...], int] = {}
    found = set[LabelledCell]()
    for line, row in _rows(path, problems):
        faults = list(_faults(row, benchmarks, judges, models))
        if not faults:
            model = row["base"], row["recipe"], int(row["seed"])
            found.add(LabelledCell(row["judge"], *model, row["benchmark"]))
            same = first.setdefault(tuple(row[name] for name in ANSWER), line)
            if same != line:
                told = f"line {same} has labels of the same answer; keep one of the two"
                faults = [("item", told)]
        for column, fault in faults:
            problems.add(f"{path}:{line}", column, fault)
    return tuple(sorted(found))


def _rows(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines of a file of labels with their numbers; none without the file."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if list(rows.fieldnames or ()) == list(LABEL):
            for row in rows:
                yield rows.line_num, row
        else:
            told = f"expected {','.join(LABEL)}, as `safegrid label` writes it"
            problems.add(str(path), "header", told)


def _faults(
    row: Mapping[str, str],
    benchmarks: Mapping[str, BenchmarkSpec],
    judges: Mapping[str, JudgeEntry],
    models: Container[tuple[str, str, str]],
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a line, by its column."""
    if len(row) != len(LABEL) or None in row.values():
        yield "line", f"expected {len(LABEL)} fields, as in the header"
        return
    judge, benchmark = row["judge"], row["benchmark"]
    if benchmark not in benchmarks or judge not in benchmarks[benchmark].judges:
        told = f"{judge!r} judges no benchmark {benchmark!r} of the study"
        yield "judge", f"{told}; remove the line"
        return
    if judge not in judges or judges[judge].kind not in KINDS:
        yield "judge", f"{judge!r} is no judge of kind {' or '.join(KINDS)}"
        return
    if (row["base"], row["recipe"], row["seed"]) not in models:
        told = f"{row['base']} {row['recipe']!r} seed {row['seed']} is no model"
        yield "recipe", f"{told} of the study; remove the line"
    if not row["sample"].isdecimal():
        yield "sample", f"expected a whole number, got {row['sample']!r}"
    for rater in RATERS:
        if row[rater] not in ("", *classes_of(judges[judge])):
            told = f"{row[rater]!r} is none of {', '.join(classes_of(judges[judge]))}"
            yield rater, told
    if not any(row[rater] for rater in RATERS):
        yield RATERS[0], "nobody labelled the answer; remove the line"


def classes_of(judge: JudgeSpec) -> tuple[str, ...]:
    """Return a guard's, or a refusal judge's, classes: people label answers in them."""
    return GUARD if judge.kind == "guard" else tuple(judge.classes)
