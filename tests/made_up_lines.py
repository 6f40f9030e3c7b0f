"""Made-up lines: answers drawn at random with known shares, scored as a study's are."""

import numpy as np
import polars as pl

from safegrid.config.methods import METHODS
from safegrid.core.records import FRONTIER
from safegrid.score.frontier import Point, line_rows
from safegrid.score.lines import LOSSES, Axis
from safegrid.score.resamples import AxisPart

DOSES = (10, 20, 60)
SHARES = {
    # refused, safe by a second judge, benign lost, capability: from the base to the end
    "dpo": [(0.5, 0.5, 0.02, 0.86), (0.8, 0.8, 0.06, 0.86), (0.9, 0.95, 0.4, 0.84)],
    "nca": [(0.5, 0.5, 0.02, 0.86), (0.85, 0.85, 0.04, 0.86), (0.97, 0.97, 0.08, 0.86)],
    "sft": [(0.5, 0.5, 0.02, 0.86), (0.6, 0.6, 0.02, 0.87), (0.65, 0.66, 0.02, 0.85)],
}
N = {"refused": 240, "second": 240, "lost": 120, "capability": 200}
JUDGES = {
    "refused": ("refusal-head", "true_refusal"),
    "second": ("guard", "safety"),
    "lost": ("refusal-head", "benign_requests_lost"),
    "capability": ("lm-eval", "capability"),
}


def points(recipe: str, n: int, seeds: int = 1) -> list[Point]:
    """Return the models of a line: the base, n - 2 doses, the end."""
    steps = DOSES[-(n - 1) :]
    names = [*(f"{recipe}@{step}" for step in steps[:-1]), recipe]
    return [
        Point("none", 0, 0, 0),
        *(
            Point(name, seed, place, step)
            for seed in range(seeds)
            for place, (name, step) in enumerate(zip(names, steps, strict=True), 1)
        ),
    ]


def axes_of(shares: list[tuple[float, ...]], draw: int, size: int = 1) -> dict:
    """Return axes of one benchmark each; items have a difficulty that doses share.

    Args:
        shares: of each model, in the order of N: the chance that an item counts.
        draw: of the random numbers.
        size: factor to the numbers of items.
    """
    rng = np.random.default_rng(draw)
    found = {}
    for index, (name, n) in enumerate(N.items()):
        chances = np.array([share[index] for share in shares])
        difficulty = rng.uniform(size=(n * size, 1))
        values = (difficulty < chances).astype(float)
        if name in LOSSES:
            sign = -1 if name == "capability" else 1
            values = sign * (values - values[:, :1])
        clusters = np.array([f"{name}{item}" for item in range(n * size)])
        found[name] = Axis(*JUDGES[name], [AxisPart(name, values, clusters)])
    return found


def line(recipe: str, shares: list[tuple[float, ...]], draw: int = 1) -> pl.DataFrame:
    """Return the FRONTIER rows of one training."""
    rows = line_rows(points(recipe, len(shares)), axes_of(shares, draw), 0.05, 1)
    named = {**dict.fromkeys(FRONTIER), "base": "mini-base", "line": recipe}
    return pl.DataFrame([{**named, **row} for row in rows], FRONTIER, orient="row")


def grid() -> pl.DataFrame:
    """Return the rows of every method: their lines lie between those of SHARES."""
    rng = np.random.default_rng(5)
    answering = [name for name, method in METHODS.items() if method.answers]
    kinds = list(SHARES.values())
    tables = []
    for place, name in enumerate(answering):
        way = np.array(SHARES.get(name, kinds[place % len(kinds)]))
        noisy = np.clip(way + rng.normal(0, 0.02, way.shape), 0, 1)
        noisy[0] = way[0]
        tables.append(line(name, [tuple(point) for point in noisy]))
    return pl.concat(tables)
