"""Put a label beside each point of a plot so that none covers another or a point.

Positions are tried around each point at growing distances and the cheapest is taken;
the sweep is repeated, since a later label may have freed a better place. All is
deterministic: no random start, ties fall to the first position tried.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]

DISTANCES = np.array([5.0, 8.0, 12.0, 17.0, 23.0, 30.0, 38.0, 48.0])
"""From the point to the label's nearest edge, in pt."""
ANGLES = np.radians(range(0, 360, 15))
SWEEPS = 4
LEADER_FROM = 7.0
"""A label farther than this from its point gets a thin line to it, in pt."""
MARKER = 2.5
"""Half the width of a marker, in pt."""
SAMPLES = np.linspace(0.0, 1.0, 24)[:, None]

COVERED_LABEL = 1_000.0
COVERED_POINT = 100.0
LEADER_THROUGH_LABEL = 60.0
CROSSED_LEADERS = 25.0
LEADER_OVER_POINT = 15.0
COVERED_LINE = 6.0


class _Places(NamedTuple):
    """C positions of one label, in pixels, with their costs as if it stood alone."""

    low: Floats  # (C, 2) lower left corner of the box
    high: Floats  # (C, 2) upper right corner
    leaders: Floats  # (C, S, 2) points from the labelled one to the box
    costs: Floats  # (C,)


def place_labels(
    axes: Axes,
    points: Sequence[Point],
    texts: Sequence[str],
    size: float,
    lines: Sequence[tuple[Point, Point]],
) -> None:
    """Label points of an axes whose limits and layout are final: it was drawn once.

    Points are in data coordinates, and so are the segments (error bars, fronts) that
    labels had better not cover; the size of the text is in pt.
    """
    if not points:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes belong to a figure"
    scale = figure.dpi / 72
    pixels = axes.transData.transform(np.array(points, dtype=float))
    ends = axes.transData.transform(np.array(lines, dtype=float).reshape(-1, 2))
    starts, stops = ends[::2, None], ends[1::2, None]
    segments = starts + SAMPLES * (stops - starts)
    labels = [
        axes.text(0, 0, text, fontsize=size, ha="center", va="center", zorder=6)
        for text in texts
    ]
    places = [
        _places(axes, label, pixels, index, segments, scale)
        for index, label in enumerate(labels)
    ]
    inverted = axes.transData.inverted()
    for index, place in enumerate(_choose(places, pixels)):
        low, high, leaders, _ = (array[place] for array in places[index])
        x, y = inverted.transform((low + high) / 2)
        labels[index].set_position((x, y))
        distance = np.linalg.norm(leaders[-1] - leaders[0])
        others = np.delete(pixels, index, axis=0)
        gaps = np.linalg.norm(np.clip(others, low, high) - others, axis=1)
        # A label that is far from its point, or about as near to another.
        if distance > LEADER_FROM * scale or (gaps < 1.5 * distance).any():
            x, y = inverted.transform(leaders[[0, -1]]).T
            look: Any = {"color": "0.35", "linewidth": 0.4, "zorder": 3}
            axes.plot(x, y, scalex=False, scaley=False, **look)


def _places(
    axes: Axes, label: Any, pixels: Floats, index: int, segments: Floats, scale: float
) -> _Places:
    """Return the positions of a label that lie inside the axes, with their costs."""
    extent, frame = label.get_window_extent(), axes.get_window_extent()
    half = np.array([extent.width, extent.height]) / 2
    directions = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
    steps = DISTANCES[:, None, None] * scale
    pixel = pixels[index]
    middles = (pixel + directions * (steps + half)).reshape(-1, 2)
    inside = ((middles - half >= frame.min) & (middles + half <= frame.max)).all(axis=1)
    middles = middles[inside] if inside.any() else middles
    low, high = middles - half, middles + half
    near = np.clip(pixel, low, high)
    leaders = pixel + SAMPLES * (near - pixel)[:, None]
    margin = MARKER * scale
    covered = _inside(pixels, low - margin, high + margin).sum(axis=1)
    crossed = _inside(segments.reshape(-1, 2), low, high)
    crossed = crossed.reshape(len(low), *segments.shape[:2]).any(axis=2).sum(axis=1)
    others = np.delete(pixels, index, axis=0)
    gaps = np.linalg.norm(leaders[:, :, None] - others, axis=3)
    costs = (
        COVERED_POINT * covered
        + COVERED_LINE * crossed
        + LEADER_OVER_POINT * (gaps < margin).any(axis=1).sum(axis=1)
        + np.linalg.norm(near - pixel, axis=1) / scale
    )
    return _Places(low, high, leaders, costs)


def _inside(points: Floats, low: Floats, high: Floats) -> NDArray[np.bool_]:
    """Say which of P points lie in which of C boxes, as (C, P)."""
    within = (points >= low[:, None]) & (points <= high[:, None])
    return np.asarray(within.all(axis=2))


def _choose(places: list[_Places], pixels: Floats) -> list[int]:
    """Return the cheapest position of each label, given those of the others."""
    gaps = np.linalg.norm(pixels[:, None] - pixels, axis=2)
    # Crowded points choose first: they have the fewest good places.
    order = np.argsort(-(1 / (20 + gaps)).sum(axis=1), kind="stable").tolist()
    chosen: dict[int, int] = {}
    for index in order * SWEEPS:
        costs = places[index].costs.copy()
        for other, place in chosen.items():
            if other != index:
                costs += _beside(places[index], places[other], place)
        chosen[index] = int(np.argmin(costs))
    return [chosen[index] for index in range(len(places))]


def _beside(places: _Places, other: _Places, chosen: int) -> Floats:
    """Return the cost of each position beside another label that has been placed."""
    low, high, leader, _ = (array[chosen : chosen + 1] for array in other)
    apart = ((places.low > high) | (places.high < low)).any(axis=1)
    through = _inside(leader[0], places.low, places.high).any(axis=1)
    within = (places.leaders >= low) & (places.leaders <= high)
    under = np.asarray(within.all(axis=2)).any(axis=1)
    a, b = places.leaders[:, 0], places.leaders[:, -1]
    c, d = leader[:, 0], leader[:, -1]
    across = _turn(a, b, c) != _turn(a, b, d)
    crossed = across & (_turn(c, d, a) != _turn(c, d, b))
    return np.asarray(
        COVERED_LABEL * ~apart
        + LEADER_THROUGH_LABEL * (through.astype(float) + under)
        + CROSSED_LEADERS * crossed
    )


def _turn(a: Floats, b: Floats, c: Floats) -> NDArray[np.bool_]:
    """Say whether the way from a over b to c turns left."""
    (x1, y1), (x2, y2) = (b - a).T, (c - a).T
    return np.asarray(x1 * y2 - y1 * x2 > 0)
