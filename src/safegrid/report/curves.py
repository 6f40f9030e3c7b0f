"""Training curves: small multiples, one panel a recipe, seeds over each other."""

from collections import defaultdict
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.names import model_title, training_order
from safegrid.report.style import CM, DASHES, SMALL, multiples, styled

GREYS = ("black", "0.45", "0.65", "0.3")
TITLES = {
    "loss": "loss",
    "chosen_logp": "chosen answers",
    "rejected_logp": "rejected answers",
    "margin": "reward margin",
}
FIGURES = {
    "curves_loss": (("loss",), "loss"),
    "curves_likelihoods": (("chosen_logp", "rejected_logp"), "log-probability (nats)"),
    "curves_margins": (("margin",), "reward margin"),
}
"""The figures of training curves: what each shows, and what its axis says."""


@styled
def curves(runs: pl.DataFrame, metrics: Sequence[str], title: str) -> Figure:
    """Draw metrics over training steps, one panel a model that logged one of them.

    Panels have scales of their own: losses of different methods do not compare.
    Metrics are drawn solid and dashed, in this order.
    """
    rows = runs.filter(pl.col("metric").is_in(metrics), kind="history")
    panels = _panels(rows)
    spaces = {"left": 0.075, "wspace": 0.32, "hspace": 0.36}
    titles = ("step", title)
    figure, places = multiples(len(panels), 3.1 * CM, 0.9 * CM, titles, False, **spaces)
    for axes, (name, models) in zip(places, panels.items(), strict=False):
        for model in models:
            _draw(axes, rows.filter(subject=model), metrics)
        axes.set_title(name, loc="left", pad=3)
    if len(metrics) > 1:
        handles = places[0].get_legend_handles_labels()
        figure.legend(*handles, loc="upper right", ncols=3, frameon=False)
    return figure


def _panels(rows: pl.DataFrame) -> dict[str, list[str]]:
    """Return a panel's title and its models (base/recipe/seedN), in print order."""
    models = sorted(rows["subject"].unique(), key=training_order)
    names = [tuple(model.split("/")[:2]) for model in models]
    found: dict[str, list[str]] = defaultdict(list)
    for model, (base, recipe) in zip(models, names, strict=True):
        found[model_title(names, base, recipe)].append(model)
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
