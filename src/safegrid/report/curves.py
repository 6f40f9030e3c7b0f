"""Training curves: small multiples, one panel a recipe, seeds over each other."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.names import recipe_order, recipe_title
from safegrid.report.style import CM, DASHES, PAGE, SMALL, new_figure, styled

PER_ROW = 4
HEIGHT = 3.1 * CM
FOOT = 1.0 * CM
HEAD = 0.9 * CM
GREYS = ("black", "0.45", "0.65", "0.3")

LOSS = ("loss",)
LIKELIHOODS = ("chosen_logp", "rejected_logp")
MARGINS = ("margin",)

TITLES = {
    "loss": "loss",
    "chosen_logp": "chosen answers",
    "rejected_logp": "rejected answers",
    "margin": "reward margin",
}


FIGURES = {
    "curves_loss": (LOSS, "loss"),
    "curves_likelihoods": (LIKELIHOODS, "log-probability (nats)"),
    "curves_margins": (MARGINS, "reward margin"),
}
"""The figures of training curves: what each shows, and what its axis says."""


@styled
def curves(runs: pl.DataFrame, metrics: Sequence[str], title: str) -> Figure:
    """Draw metrics over training steps, one panel a model that logged one of them.

    Panels have scales of their own: losses of different methods do not compare.

    Args:
        runs: rows of RUNS.
        metrics: drawn solid, dashed, dotted, in this order.
        title: of the vertical axes.
    """
    rows = runs.filter(kind="history").filter(pl.col("metric").is_in(metrics))
    panels = _panels(rows)
    lines = max(1, -(-len(panels) // PER_ROW))
    height = HEIGHT * lines + FOOT + HEAD
    # Automatic margins would take longer than the drawing.
    figure = new_figure(PAGE, height, automatic=False)
    figure.subplots_adjust(
        left=0.075,
        right=0.99,
        bottom=FOOT / height,
        top=1 - HEAD / height,
        wspace=0.32,
        hspace=0.36,
    )
    places = figure.subplots(lines, PER_ROW, squeeze=False, sharex=True).ravel()
    for axes, (name, models) in zip(places, panels.items(), strict=False):
        for model in models:
            _draw(axes, rows.filter(subject=model), metrics)
        axes.set_title(name, loc="left", pad=3)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel("step", fontsize=7, y=0.1 * CM / height, va="bottom")
    figure.supylabel(title, fontsize=7, x=0.004, ha="left")
    if len(metrics) > 1:
        handles = places[0].get_legend_handles_labels()
        figure.legend(*handles, loc="upper right", ncols=3, frameon=False)
    return figure


def _panels(rows: pl.DataFrame) -> dict[str, list[str]]:
    """Return a panel's title and its models (base/recipe/seedN), in print order."""
    models = [subject.split("/") for subject in rows["subject"].unique().to_list()]
    several = len({base for base, _, _ in models}) > 1
    found: dict[str, list[str]] = {}
    for base, recipe, seed in sorted(
        models, key=lambda m: (m[0], recipe_order(m[1]), m)
    ):
        name = recipe_title(recipe)
        title = f"{base} {name}" if several else name
        found.setdefault(title, []).append(f"{base}/{recipe}/{seed}")
    return found


def _draw(axes: Axes, rows: pl.DataFrame, metrics: Sequence[str]) -> None:
    labelled = axes.get_legend_handles_labels()[1]
    for place, metric in enumerate(metrics):
        points = rows.filter(metric=metric).sort("step")
        title = TITLES.get(metric, metric)
        axes.plot(
            points["step"],
            points["value"],
            color=GREYS[place],
            dashes=DASHES[place] or (None, None),
            marker="." if len(points) == 1 else None,
            label=None if title in labelled else title,
        )
    axes.grid(color="0.92", linewidth=0.5)
    axes.tick_params(labelsize=SMALL)
    axes.locator_params(nbins=4, min_n_ticks=3)
