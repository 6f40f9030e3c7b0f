"""The one plotting style: sizes, marks that work in grey, files that repeat.

Figures are drawn at the width of a column (8.4 cm) or a page (17 cm) and never
scaled, so a 6 pt label is 6 pt in print. Methods differ by marker first and by colour
second; the colours are those of Okabe and Ito, the light ones darkened for paper.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from safegrid.config.methods import METHODS
from safegrid.config.training import split_dose
from safegrid.core.artifacts import atomic_file
from safegrid.report.grid import Value
from safegrid.report.names import BASE

P = ParamSpec("P")

CM = 1 / 2.54
COLUMN = 8.4 * CM
PAGE = 17.0 * CM
SMALL = 6.0

RC = mpl.rc_params_from_file(Path(__file__).with_name("style.mplstyle"), False, False)
METADATA: Any = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""What a file of each kind says of its making: nothing, so that bytes repeat."""

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#3A97D0", "#C98500", "#555555"]
MARKERS = "osD^vP<>hpX*8"
DASHES: list[tuple[float, ...]] = [(), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5)]


class Look(NamedTuple):
    """How one recipe is drawn everywhere."""

    marker: str
    colour: str


def look_at(place: int) -> Look:
    """Return the look of what has a place in an order, not a name of its own."""
    return Look(MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)])


def look(recipe: str, others: list[str]) -> Look:
    """Return a recipe's look: a method's own, else by its place among the others.

    A method looks the same in every figure of every study, and a dose as its end.
    """
    if recipe == BASE:
        return Look("o", "#000000")
    names = list(METHODS)
    trained = {split_dose(name)[0] for name in others}
    order = names + sorted(trained - {*names, BASE})
    return look_at(order.index(split_dose(recipe)[0]))


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function that draws a figure draw it in the style."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(RC):
            return settle(draw(*args, **kwargs))

    return drawn


def settle(figure: Figure) -> Figure:
    """Compute a figure's layout once and keep it, whatever is drawn or saved later."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Return an empty figure that can be drawn; sizes are in inches."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def multiples(
    panels: int,
    panel: float,
    head: float,
    titles: tuple[str, str],
    sharey: bool,
    **spaces: float,
) -> tuple[Figure, list[Axes]]:
    """Return a page of small panels, four a row, and their axes; spare ones are off.

    Args:
        panels: how many are used.
        panel: height of one, in inches.
        head: height of the place above all, in inches.
        titles: of the axes, below and left of all.
        sharey: all have one vertical axis.
        spaces: `left`, `wspace` and `hspace` of `subplots_adjust`.
    """
    lines = max(1, -(-panels // 4))
    foot = 1.0 * CM
    height = panel * lines + foot + head
    # Automatic margins would take longer than the drawing.
    figure = new_figure(PAGE, height, layout=None)
    top, bottom = 1 - head / height, foot / height
    figure.subplots_adjust(top=top, right=0.99, bottom=bottom, **spaces)
    grid = figure.subplots(lines, 4, squeeze=False, sharex=True, sharey=sharey)
    places: list[Axes] = list(grid.ravel())
    for axes in places[panels:]:
        axes.set_axis_off()
    figure.supxlabel(titles[0], fontsize=7, y=0.1 * CM / height, va="bottom")
    figure.supylabel(titles[1], fontsize=7, x=0.004, ha="left")
    return figure, places


def cross(axes: Axes, x: Value, y: Value, **style: Any) -> None:
    """Draw the intervals of both coordinates of a point."""
    axes.hlines(y.at, x.low, x.high, linewidth=0.6, **style)
    axes.vlines(x.at, y.low, y.high, linewidth=0.6, **style)


def mark(axes: Axes, x: float, y: float, look: Look, filled: bool, size: float) -> None:
    """Draw the mark of a recipe, filled or hollow."""
    axes.plot(
        x,
        y,
        marker=look.marker,
        color=look.colour,
        markerfacecolor=look.colour if filled else "white",
        markersize=size,
        markeredgewidth=0.9,
        linestyle="none",
        zorder=4,
    )


class Saved(NamedTuple):
    """A figure's png, which a notebook shows."""

    png: Path

    def _repr_png_(self) -> bytes:
        return self.png.read_bytes()


def save(figure: Figure, folder: Path | str, name: str) -> Saved:
    """Write a figure as pdf, png and svg; the same figure gives the same bytes."""
    with mpl.rc_context(RC):
        for kind, facts in METADATA.items():
            with atomic_file(Path(folder) / f"{name}.{kind}") as temporary:
                figure.savefig(temporary, format=kind, metadata=facts)
    return Saved(Path(folder) / f"{name}.png")
