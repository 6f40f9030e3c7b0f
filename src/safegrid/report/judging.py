"""Judges under stress and beside each other: their tables and figure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safegrid.core.artifacts import read_table
from safegrid.core.records import STRESS, Key
from safegrid.report.grid import Entry, Grid, ends
from safegrid.report.names import DATA, benchmark_title, slice_title
from safegrid.report.style import CM, SMALL, look_at, mark, multiples, styled
from safegrid.report.table import SHEETS, Column, Table

CHANGES: dict[str, str] = DATA["changes"]
PARTS = {
    "all": "flipped",
    "positive": "positive verdicts lost",
    "other": "positive verdicts gained",
}
"""Answers of a sample by their verdict before a change, and what a flip is there."""
DRAWN = ("positive", "other")
ROW = 0.42 * CM
SLICES = ("all", "adversarial", "attack", "macro", "category")
"""Kinds of slices in which two judges are set beside each other, in their order."""


def read_stress(files: Iterable[Path | str]) -> pl.DataFrame:
    """Read rows of STRESS of all judges; none where no judge was asked again."""
    tables = [read_table(Path(path), STRESS) for path in files]
    return pl.concat([pl.DataFrame(schema=STRESS), *tables])


def stress_table(stress: pl.DataFrame) -> Table:
    """Return the share of verdicts that flip, a row a judge and change."""
    found = _entries(stress)
    rows = [(judge, change) for judge in _judges(stress) for change in CHANGES]
    sheet = SHEETS["stress"]
    return Table(
        "stress",
        sheet.title,
        sheet.head,
        [f"{judge}: {CHANGES[change]}" for judge, change in rows],
        [Column(title, Key("", "", "", ""), 0, "share") for title in PARTS.values()],
        [[found[*row, part] for part in PARTS] for row in rows],
        notes=sheet.notes if rows else [DATA["words"]["no_stress"]],
        judged=False,
    )


@styled
def stress_figure(stress: pl.DataFrame) -> Figure:
    """Draw the share of verdicts that flip under each change, a panel a judge."""
    judges, found = _judges(stress), _entries(stress)
    titles = "verdicts that flip (%)", ""
    spaces = {"left": 0.16, "wspace": 0.12, "hspace": 0.3}
    height = (len(CHANGES) + 1) * ROW
    figure, places = multiples(
        len(judges), height, 1.2 * CM, titles, sharey=True, **spaces
    )
    places[0].set_yticks(range(len(CHANGES)), list(CHANGES.values()))
    places[0].invert_yaxis()
    for axes, judge in zip(places, judges, strict=False):
        _panel(axes, {key[1:]: e for key, e in found.items() if key[0] == judge})
        axes.set_title(judge, loc="left", pad=3)
    if not judges:
        places[0].set_axis_off()
        places[0].text(
            0, 0.5, DATA["words"]["no_stress"], transform=places[0].transAxes
        )
    figure.legend(
        handles=_signs(), loc="upper right", ncols=2, frameon=False, fontsize=SMALL
    )
    return figure


def _panel(axes: Axes, entries: dict[tuple[str, str], Entry]) -> None:
    """Draw one judge: a row a change, a mark for each verdict that was there before."""
    axes.grid(axis="x", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)
    for row, change in enumerate(CHANGES):
        for place, part in enumerate(DRAWN):
            value, at = entries[change, part].percent, row + 0.3 * (place - 0.5)
            own = look_at(place)
            axes.hlines(at, value.low, value.high, color=own.colour, linewidth=0.8)
            mark(axes, value.at, at, own, place == 0, 3.5)


def _signs() -> list[Line2D]:
    """Return what the marks mean: one legend for all panels."""
    signs = []
    for place, part in enumerate(DRAWN):
        own = look_at(place)
        face: Any = own.colour if place == 0 else "white"
        style: Any = {"marker": own.marker, "color": own.colour, "ls": "none"}
        signs.append(
            Line2D([], [], label=PARTS[part], markerfacecolor=face, ms=3.5, **style)
        )
    return signs


def _judges(stress: pl.DataFrame) -> list[str]:
    return sorted(stress["judge"].unique())


def _entries(stress: pl.DataFrame) -> dict[tuple[str, str, str], Entry]:
    """Return entries by judge, change and part of the sample."""
    named = ("value", "low", "high", "n", "n_unscored", "reason")
    return {
        (row["judge"], row["change"], row["was"]): Entry(
            seeds=1, **{name: row[name] for name in named}
        )
        for row in stress.iter_rows(named=True)
    }


def disagreement_table(scores: pl.DataFrame) -> Table:
    """Return how often two judges of one kind differ: slices as rows, models beside."""
    grid = Grid(ends(scores))
    found = grid.find("disagreement")
    keys = [key for key in found if _kind(key) in SLICES]
    # Python's sort keeps the order of names within a kind.
    keys.sort(key=lambda key: (key.judge, key.benchmark, SLICES.index(_kind(key))))
    about = Key("", "", "disagreement", "")
    columns = [Column(grid.title(model), about, 0, "share") for model in grid.models]
    sheet = SHEETS["disagreement"]
    return Table(
        "disagreement",
        sheet.title,
        sheet.head,
        [_title(key) for key in keys],
        columns if keys else [],
        [[grid.entry(model, key) for model in grid.models] for key in keys],
        notes=sheet.notes if keys else [DATA["words"]["no_pair"]],
        judged=bool(keys),
    )


def _kind(key: Key) -> str:
    return key.slice.partition("=")[0]


def _title(key: Key) -> str:
    part = "all answers" if key.slice == "all" else slice_title(key.slice)
    if _kind(key) == "adversarial":
        part = key.slice.replace("=", ": ")
    return f"{key.judge}, {benchmark_title(key.benchmark)}: {part}"
