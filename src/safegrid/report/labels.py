"""Put a label beside each point of a plot so that none covers another or a point.

Positions are tried around each point at growing distances and the cheapest is taken;
the sweep is repeated, since a later label may have freed a better place. All is
deterministic: no random start, ties fall to the first position tried.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]
Segment = tuple[Point, Point]

DISTANCES = (5.0, 8.0, 12.0, 17.0, 23.0, 30.0, 38.0, 48.0)
"""From the point to the label's nearest edge, in pt."""
ANGLES = tuple(math.radians(angle) for angle in range(0, 360, 15))
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
    """C positions of one label, in pixels.

    Attributes:
        boxes: (C, 4) x0, y0, x1, y1.
        near: (C, 2) the point of each box that is nearest to the labelled point.
        distances: (C,) between the two, in pt.
        leaders: (C, S, 2) points on the way from the labelled point to `near`.
    """

    boxes: Floats
    near: Floats
    distances: Floats
    leaders: Floats


def place_labels(
    axes: Axes,
    points: Sequence[Point],
    texts: Sequence[str],
    size: float,
    lines: Sequence[Segment],
) -> None:
    """Label points of an axes whose limits and layout are final.

    Args:
        axes: where the points are drawn; its figure has been drawn once.
        points: data coordinates.
        texts: one label a point.
        size: of the text, in pt.
        lines: segments in data coordinates (error bars, fronts) that labels had
            better not cover.
    """
    if not points:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes belong to a figure"
    scale = figure.dpi / 72
    pixels = axes.transData.transform(np.array(points, dtype=float))
    drawn = axes.transData.transform(np.array(lines, dtype=float).reshape(-1, 2))
    segments = drawn.reshape(-1, 2, 2)
    places = [
        _places(axes, pixel, text, size, scale)
        for pixel, text in zip(pixels, texts, strict=True)
    ]
    fixed = [_fixed_costs(p, i, pixels, segments, scale) for i, p in enumerate(places)]
    chosen = _choose(places, fixed, pixels)
    for index, text in enumerate(texts):
        place = chosen[index]
        _write(axes, text, size, places[index].boxes[place])
        if _needs_leader(places[index], place, index, pixels, scale):
            _lead(axes, pixels[index], places[index].near[place])


def _places(axes: Axes, pixel: Floats, text: str, size: float, scale: float) -> _Places:
    """Return the positions of a label that lie inside the axes."""
    probe = axes.text(0, 0, text, fontsize=size)
    extent = probe.get_window_extent()
    probe.remove()
    half = np.array([extent.width, extent.height]) / 2
    directions = np.array([(math.cos(angle), math.sin(angle)) for angle in ANGLES])
    steps = np.array(DISTANCES)[:, None, None] * scale
    middles = (pixel + directions * (steps + half)).reshape(-1, 2)
    boxes = np.concatenate([middles - half, middles + half], axis=1)
    frame = axes.get_window_extent()
    inside = (boxes[:, :2] >= frame.min).all(1) & (boxes[:, 2:] <= frame.max).all(1)
    boxes = boxes[inside] if inside.any() else boxes
    near = np.clip(pixel, boxes[:, :2], boxes[:, 2:])
    distances = np.linalg.norm(near - pixel, axis=1) / scale
    leaders = pixel + SAMPLES * (near - pixel)[:, None, :]
    return _Places(boxes, near, distances, leaders)


def _inside(points: Floats, boxes: Floats, margin: float = 0.0) -> NDArray[np.bool_]:
    """Say which points lie in which boxes; the last axes are 2 and 4."""
    low, high = boxes[..., :2] - margin, boxes[..., 2:] + margin
    return np.asarray(((points >= low) & (points <= high)).all(axis=-1))


def _fixed_costs(
    places: _Places, index: int, pixels: Floats, segments: Floats, scale: float
) -> Floats:
    """Return the cost of each place whatever the other labels do."""
    boxes = places.boxes[:, None, :]
    margin = MARKER * scale
    covered = _inside(pixels[None], boxes, margin).sum(axis=1)
    samples = (
        segments[:, None, 0] + SAMPLES * (segments[:, 1] - segments[:, 0])[:, None]
    )
    crossed = _inside(samples[None], boxes[:, None]).any(axis=2).sum(axis=1)
    others = np.delete(pixels, index, axis=0)
    gaps = np.linalg.norm(places.leaders[:, :, None] - others[None, None], axis=3)
    passed = (gaps < margin).any(axis=1).sum(axis=1)
    return np.asarray(
        COVERED_POINT * covered
        + COVERED_LINE * crossed
        + LEADER_OVER_POINT * passed
        + places.distances
    )


def _choose(places: list[_Places], fixed: list[Floats], pixels: Floats) -> list[int]:
    chosen: dict[int, int] = {}
    gaps = np.linalg.norm(pixels[:, None] - pixels[None], axis=2)
    # Crowded points choose first: they have the fewest good places.
    order = np.argsort(-(1 / (20 + gaps)).sum(axis=1), kind="stable").tolist()
    for _ in range(SWEEPS):
        for index in order:
            costs = fixed[index].copy()
            for other, place in chosen.items():
                if other != index:
                    costs += _mutual_costs(places[index], places[other], place)
            chosen[index] = int(np.argmin(costs))
    return [chosen[index] for index in range(len(places))]


def _mutual_costs(places: _Places, other: _Places, chosen: int) -> Floats:
    """Return the cost of each place beside another label that has been placed."""
    box, leader = other.boxes[chosen], other.leaders[chosen]
    boxes = places.boxes
    apart = (boxes[:, :2] > box[2:]).any(axis=1) | (boxes[:, 2:] < box[:2]).any(axis=1)
    through = _inside(leader[None], boxes[:, None]).any(axis=1)
    under = _inside(places.leaders, box).any(axis=1)
    crossed = _crossed(places.leaders, leader)
    return np.asarray(
        COVERED_LABEL * ~apart
        + LEADER_THROUGH_LABEL * (through.astype(float) + under)
        + CROSSED_LEADERS * crossed
    )


def _crossed(leaders: Floats, other: Floats) -> NDArray[np.bool_]:
    """Say which of C leaders cross another one."""
    a, b = leaders[:, 0], leaders[:, -1]
    c, d = other[0], other[-1]
    across = _side(a, b, c) != _side(a, b, d)
    return np.asarray(across & (_side(c, d, a) != _side(c, d, b)))


def _side(a: Floats, b: Floats, c: Floats) -> NDArray[np.bool_]:
    turn = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]
    return np.asarray(turn > 0)


def _needs_leader(
    places: _Places, chosen: int, index: int, pixels: Floats, scale: float
) -> bool:
    """Say whether a label is far from its point, or about as near to another."""
    distance = places.distances[chosen]
    others = np.delete(pixels, index, axis=0)
    box = places.boxes[chosen]
    gaps = np.linalg.norm(np.clip(others, box[:2], box[2:]) - others, axis=1) / scale
    return bool(distance > LEADER_FROM or (gaps < 1.5 * distance).any())


def _write(axes: Axes, text: str, size: float, box: Floats) -> None:
    x, y = axes.transData.inverted().transform((box[:2] + box[2:]) / 2)
    axes.text(x, y, text, fontsize=size, ha="center", va="center", zorder=6)


def _lead(axes: Axes, start: Floats, end: Floats) -> None:
    (x0, y0), (x1, y1) = axes.transData.inverted().transform([start, end])
    axes.plot(
        [x0, x1],
        [y0, y1],
        color="0.35",
        linewidth=0.4,
        zorder=3,
        scalex=False,
        scaley=False,
    )
