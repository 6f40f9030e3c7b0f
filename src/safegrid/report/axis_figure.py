"""The figure of an axis: a line a method, the base untouched, a panel a measure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from textwrap import fill
from typing import Any, NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from safegrid.core.records import Key
from safegrid.report.axes import MEASURES, PLACES, Axis, axis_keys
from safegrid.report.grid import Grid, ModelRow, Value, ends
from safegrid.report.names import BASE, recipe_title
from safegrid.report.style import CM, PAGE, SMALL, look, new_figure, styled
from safegrid.report.trade_off import AXES, axis_title
from safegrid.study.axes import AxisLine, AxisPoint

HEIGHT, HEAD = 4.8 * CM, 0.9 * CM
APART = 0.04
"""Distance of two lines at one place, of the place or of the step to the next one."""
COUNTS = {1e9: "B", 1e6: "M", 1e3: "k", 1.0: ""}
BELOW = {
    "size": "parameters of the base",
    "fraction": "training rows",
    "composition": "dataset",
}
"""What the horizontal axis of each kind of line is."""
WIDE = 26
"""Signs in a line of a vertical title."""
LEVEL = 4
"""Names of datasets that stand level below a panel; more are turned."""

Places = Mapping[AxisPoint, float]
Looks = Mapping[str, dict[str, Any]]


class Lines(NamedTuple):
    """What a row of panels shares: lines of one kind and base, with their places."""

    grid: Grid
    lines: Sequence[AxisLine]
    places: Places
    looks: Looks

    @property
    def kind(self) -> str:
        """What the horizontal axis is."""
        return self.lines[0].kind

    def shown(self, line: AxisLine, key: Key) -> list[tuple[float, Value]]:
        """Return the points of a line that have a place and a value, in order."""
        found = [
            (place, self.grid.entry(ModelRow(point.base, point.recipe), key).percent)
            for point, place in self.places.items()
            if point in line.points
        ]
        return sorted((x, y) for x, y in found if not math.isnan(y.at))


@styled
def axis_figure(scores: pl.DataFrame, axis: Axis) -> Figure:
    """Draw each measure along an axis, a row of panels for each base and kind of line.

    A panel says where no line has two points; points without a place are named below.
    """
    grid, looks = Grid(ends(scores)), _looks(axis)
    keys = axis_keys(grid)
    groups: dict[tuple[str, str], list[AxisLine]] = defaultdict(list)
    for line in axis.lines:
        groups[line.base, line.kind].append(line)
    figure = new_figure(PAGE, HEAD + HEIGHT * len(groups))
    rows = figure.subplots(len(groups), len(MEASURES), squeeze=False)
    for row, ((base, _), own) in zip(rows, groups.items(), strict=True):
        row[0].set_title(base if grid.several_bases else "", loc="left")
        lines = Lines(grid, own, _places(axis, own), looks)
        for panel, measure in zip(row, MEASURES, strict=True):
            _panel(panel, lines, measure, keys.get(measure))
    _explain(figure, axis, looks)
    return figure


def _places(axis: Axis, lines: Sequence[AxisLine]) -> Places:
    """Return where points stand; datasets by their rows, side by side."""
    points = (point for line in lines for point in line.points)
    known = {p: at for p in points if (at := axis.place(p)) is not None}
    if lines[0].kind != "composition":
        return known
    rows: dict[str, list[float]] = defaultdict(list)
    for point, at in known.items():
        rows[point.title].append(at)
    order = sorted(rows, key=lambda title: (fmean(rows[title]), title))
    return {point: float(order.index(point.title)) for point in known}


def _panel(panel: Axes, lines: Lines, measure: str, key: Key | None) -> None:
    """Draw a measure along the axis, or say that it cannot be drawn."""
    if key is not None and _draw(panel, lines, key):
        _frame(panel, lines, key)
        title = axis_title(measure, lines.grid.axis(measure))
        panel.set_ylabel(fill(title, WIDE))
    else:
        panel.set_axis_off()
        text = f"no line has two points of\n{AXES[measure]}"
        panel.text(0.5, 0.5, text, ha="center", transform=panel.transAxes)


def _draw(panel: Axes, lines: Lines, key: Key) -> bool:
    """Draw the lines that have two points, with intervals; return whether any has."""
    ways = {line.name: lines.shown(line, key) for line in lines.lines}
    for index, (name, shown) in enumerate(ways.items()):
        if len(shown) > 1:
            aside = APART * (index - (len(ways) - 1) / 2)
            ordered = lines.kind != "composition"
            x = [x * (1 + aside) if ordered else x + aside for x, _ in shown]
            style = lines.looks[name]
            panel.plot(x, [y.at for _, y in shown], **style)
            low, high = [y.low for _, y in shown], [y.high for _, y in shown]
            panel.vlines(x, low, high, color=style["color"], linewidth=0.6, alpha=0.7)
    return any(len(shown) > 1 for shown in ways.values())


def _frame(panel: Axes, lines: Lines, key: Key) -> None:
    """Draw what all lines of a panel share: the axis of places, the base untouched."""
    panel.margins(0.1)
    panel.grid(axis="y", color="0.92", linewidth=0.5)
    panel.set_axisbelow(True)
    panel.set_xlabel(BELOW[lines.kind])
    if lines.kind == "composition":
        titles = dict(sorted((at, point.title) for point, at in lines.places.items()))
        level = len(titles) <= LEVEL
        turned: Any = {} if level else {"rotation": 30, "ha": "right"}
        panel.set_xticks(list(titles), list(titles.values()), **turned)
    else:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(lambda count, _: _short(count))
    if base := lines.lines[0].base:
        start = lines.grid.entry(ModelRow(base, BASE), key).percent
        panel.axhline(start.at, color="black", linewidth=0.8, dashes=(3, 2), zorder=1)
        panel.axhspan(start.low, start.high, color="0.9", linewidth=0, zorder=0)


def _short(count: float) -> str:
    """Return a number of rows or parameters in the room of a tick."""
    unit = next(unit for unit in COUNTS if count >= unit or unit == 1)
    return f"{count / unit:g}{COUNTS[unit]}"


def _looks(axis: Axis) -> Looks:
    """Return how each line is drawn, the same in every panel."""
    names = list(dict.fromkeys(line.name for line in axis.lines))
    found = {name: look(name, names) for name in names}
    return {
        name: {"color": own.colour, "marker": own.marker, "markersize": 3.5}
        for name, own in found.items()
    }


def _explain(figure: Figure, axis: Axis, looks: Looks) -> None:
    """Say what the lines are, and which points have no place."""
    titles = {name: recipe_title(name) for name in looks} | {BASE: "base untouched"}
    dashed: Any = {"color": "black", "linewidth": 0.8, "dashes": (3, 2)}
    shown = looks if BASE in looks else {BASE: dashed, **looks}
    handles = [Line2D([], [], label=titles[name], **own) for name, own in shown.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=6, frameon=False)
    points = (point for line in axis.lines for point in line.points)
    lost = dict.fromkeys(p.title for p in points if axis.place(p) is None)
    if lost:
        text = f"not drawn: {', '.join(lost)}. {PLACES[axis.name][1]}"
        figure.supxlabel(text, fontsize=SMALL)
