"""Transfer: what each method changes of its base, by group of tasks and in math."""

from collections.abc import Iterator
from dataclasses import replace
from textwrap import fill
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.core.records import Key
from safegrid.report.grid import Entry, Grid, ModelRow, ends
from safegrid.report.names import BASE, WORDS, benchmark_title
from safegrid.report.pairs import Comparisons, Row, entry_of
from safegrid.report.style import CM, PAGE, SMALL, look, mark, new_figure, styled
from safegrid.report.table import HIGHER, LOWER, Column, Table, rows_of, sheet_table
from safegrid.report.writing import number

FIRST, LAST = "group=math", "group=other"
CONTRAST = "math less the others"
VERDICTS = {
    LOWER: "Mathematics loses more than the other groups, or gains less",
    HIGHER: "Mathematics loses less than the other groups, or gains more",
    "": "Mathematics does not differ from the other groups beyond chance",
}
"""What a contrast says, by its mark."""
HEAD, LINE = 2.0 * CM, 0.42 * CM


class Change(NamedTuple):
    """A change to the base: of a group of tasks, or of math less the other groups."""

    column: Column
    contrast: bool

    def of(self, model: ModelRow, pairs: Comparisons) -> Entry:
        """Return a model's change."""
        key = self.column.key
        if self.contrast:
            return entry_of(pairs.own("contrast", key).get(model))
        return pairs.difference(model.base, key, model.recipe, BASE)


def changes(pairs: Comparisons) -> list[Change]:
    """Return the groups of each suite, math first, and its contrast."""
    groups = sorted(pairs.keys("group"), key=_place)
    named = [(key.slice.removeprefix("group="), key, False) for key in groups]
    named += [(CONTRAST, key, True) for key in pairs.keys("contrast")]
    suites = sorted({key.benchmark for _, key, _ in named})
    return [
        Change(
            Column(
                f"{benchmark_title(suite)} {title}" if len(suites) > 1 else title,
                key,
                0,
                "share",
                signed=True,
            ),
            contrast,
        )
        for suite in suites
        for title, key, contrast in named
        if key.benchmark == suite
    ]


def _place(key: Key) -> tuple[bool, bool, str]:
    return key.slice != FIRST, key.slice == LAST, key.slice


def _models(grid: Grid) -> list[ModelRow]:
    return [model for model in grid.models if model.recipe != BASE]


def transfer_table(scores: pl.DataFrame, pairs: Comparisons) -> Table:
    """Return what each method changes of its base, by group and as a contrast."""
    grid, shown = Grid(ends(scores)), changes(pairs)
    models = _models(grid) if shown else []
    columns = [change.column for change in shown]
    more = [*_verdicts(grid, shown, pairs), *_tasks(pairs)]
    table = sheet_table("transfer", grid, [], columns, more=more or [WORDS["no_suite"]])
    return replace(
        table,
        rows=[row.title for row in rows_of(grid, models)],
        entries=[[change.of(model, pairs) for change in shown] for model in models],
    )


def _tasks(pairs: Comparisons) -> Iterator[str]:
    """Say which tasks each group of a suite holds."""
    held: dict[str, list[str]] = {}
    for key in sorted(pairs.keys("group"), key=_place):
        rows = pairs.own("group", key)
        sizes = {task: row["n"] for (_, task), row in rows.items()}
        listed = ", ".join(f"{task} ({n} items)" for task, n in sizes.items())
        why = f", which {WORDS['no_group']}" if key.slice == LAST else ""
        group = key.slice.removeprefix("group=")
        held.setdefault(key.benchmark, []).append(f"{group}: {listed}{why}")
    for suite, groups in held.items():
        yield f"Groups of {benchmark_title(suite)}: {'; '.join(groups)}."


def _verdicts(grid: Grid, shown: list[Change], pairs: Comparisons) -> Iterator[str]:
    """Say of which methods math loses more than the other groups, and of which less."""
    for column in (change.column for change in shown if change.contrast):
        rows = pairs.own("contrast", column.key)
        tested = {
            m: rows[m] for m in grid.models if m in rows and rows[m]["p"] is not None
        }
        for side, verdict in VERDICTS.items():
            said = [
                grid.title(model) + (_number(row, column) if side else "")
                for model, row in tested.items()
                if entry_of(row).side == side
            ]
            if said:
                yield f"{verdict}: {'; '.join(said)}."


def _number(row: Row, column: Column) -> str:
    """Return a contrast in a sentence, with its interval and adjusted p."""
    value, low, high = (number(row[name], column) for name in ("value", "low", "high"))
    return f" {value} [{low}, {high}], p = {row['holm']:.2g}"


@styled
def transfer_figure(scores: pl.DataFrame, pairs: Comparisons) -> Figure:
    """Draw the changes as dots with intervals: a column a group, a row a base."""
    grid, shown = Grid(ends(scores)), changes(pairs)
    models = _models(grid)
    bases = list(dict.fromkeys(model.base for model in models)) if shown else [""]
    most = max((sum(m.base == base for m in models) for base in bases), default=0)
    figure = new_figure(PAGE, len(bases) * (HEAD + LINE * most))
    shape = (len(bases), max(1, len(shown)))
    panels = figure.subplots(*shape, sharex=True, sharey="row", squeeze=False)
    for line, base in zip(panels, bases, strict=True):
        own = [model for model in models if model.base == base]
        for axes, change in zip(line, shown, strict=False):
            _draw(axes, own, change, pairs)
        line[0].set_yticks(range(len(own)), map(grid.title, own))
        line[0].set_ylim(len(own) - 0.4, -0.6)
    if not shown:
        _say(panels[0, 0], WORDS["no_suite"])
    text = "points of capability to the base; filled: beyond chance (Holm, 5%)"
    figure.supxlabel(text, fontsize=SMALL)
    return figure


def _draw(
    axes: Axes, models: list[ModelRow], change: Change, pairs: Comparisons
) -> None:
    """Draw one change of the models of a base, from top to bottom."""
    entries = [change.of(model, pairs) for model in models]
    axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
    for place, (model, entry) in enumerate(zip(models, entries, strict=True)):
        own = look(model.recipe, [other.recipe for other in models])
        at, low, high = entry.percent
        axes.hlines(place, low, high, color=own.colour, linewidth=0.8)
        mark(axes, at, place, own, bool(entry.side), 3.5)
    reasons = {entry.reason for entry in entries if entry.value is None}
    if reasons and all(entry.value is None for entry in entries):
        _say(axes, fill(min(str(reason) for reason in reasons), 22))
    axes.grid(axis="x", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title(fill(change.column.title, 18))


def _say(axes: Axes, text: str) -> None:
    place = {"ha": "center", "va": "center", "fontsize": SMALL}
    axes.text(0.5, 0.5, text, place, transform=axes.transAxes)
