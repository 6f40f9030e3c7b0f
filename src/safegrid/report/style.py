"""The one plotting style: sizes, marks that work in grey, files that repeat.

Figures are drawn at the width of a column (8.4 cm) or a page (17 cm) and never
scaled, so a 6 pt label is 6 pt in print. Methods differ by marker first and by colour
second; the colours are those of Okabe and Ito, the light ones darkened for paper.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from safegrid.config.doses import split_dose
from safegrid.config.methods import METHODS
from safegrid.core.artifacts import atomic_file
from safegrid.report.names import BASE

P = ParamSpec("P")

CM = 1 / 2.54
COLUMN = 8.4 * CM
PAGE = 17.0 * CM
SMALL = 6.0

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.5,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "svg.hashsalt": "safegrid",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}

COLOURS = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#3A97D0",
    "#C98500",
    "#555555",
]
MARKERS = "osD^vP<>hpX*8"
DASHES: list[tuple[float, ...]] = [(), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5)]


class Look(NamedTuple):
    """How one recipe is drawn everywhere."""

    marker: str
    colour: str


def look(recipe: str, others: list[str]) -> Look:
    """Return a recipe's look: a method's own, else by its place among the others.

    A method looks the same in every figure of every study, and a dose as its end.
    """
    if recipe == BASE:
        return Look("o", "#000000")
    names = list(METHODS)
    trained = {split_dose(name)[0] for name in others}
    place = (names + sorted(trained - {*names, BASE})).index(split_dose(recipe)[0])
    return Look(MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)])


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


def new_figure(width: float, height: float, automatic: bool = True) -> Figure:
    """Return an empty figure that can be drawn.

    Args:
        width: in inches.
        height: in inches.
        automatic: find margins by what is drawn; else the caller sets them.
    """
    layout: Literal["constrained"] | None = "constrained" if automatic else None
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


class Saved:
    """A figure's files; a notebook shows the png."""

    def __init__(self, png: Path) -> None:
        self.png = png

    def _repr_png_(self) -> bytes:
        return self.png.read_bytes()


def save(figure: Figure, folder: Path | str, name: str) -> Saved:
    """Write a figure as pdf, png and svg; the same figure gives the same bytes."""
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
    }
    with mpl.rc_context(RC):
        for kind, facts in metadata.items():
            with atomic_file(Path(folder) / f"{name}.{kind}") as temporary:
                figure.savefig(temporary, format=kind, metadata=facts)
    return Saved(Path(folder) / f"{name}.png")
