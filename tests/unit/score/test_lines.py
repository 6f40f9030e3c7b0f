"""Lines of safety against loss: exact readings, joint draws, honest intervals."""

from functools import partial

import numpy as np
import pytest

from made_up_lines import axes_of, points
from safegrid.score.frontier import line_rows
from safegrid.score.intervals import RESAMPLES
from safegrid.score.lines import most_within
from safegrid.score.resamples import AxisPart, interval, resampled

STRAIGHT = ([0.0, 0.02, 0.10], [0.5, 0.7, 0.9])
BACK = ([0.0, 0.06, 0.005, 0.03], [0.5, 0.6, 0.55, 0.9])
LEFT = ([0.0, -0.01, 0.04], [0.5, 0.8, 0.6])


@pytest.mark.parametrize(
    ("line", "limit", "most"),
    [
        (STRAIGHT, 0.0, 0.5),
        (STRAIGHT, 0.01, 0.6),
        (STRAIGHT, 0.02, 0.7),
        (STRAIGHT, 0.05, 0.775),
        (STRAIGHT, 0.2, 0.9),
        # It loses much, comes back, and gains most of all on the way out again.
        (BACK, 0.005, 0.55),
        (BACK, 0.01, 0.55 + 0.35 * 0.005 / 0.025),
        (BACK, 0.05, 0.9),
        # A dose that loses less than the base is within every limit.
        (LEFT, 0.01, 0.8),
    ],
)
def test_a_line_is_read_exactly(line, limit, most):
    losses, safety = (np.array([side]) for side in line)
    assert most_within(losses, safety, limit) == pytest.approx([most])


def test_lines_of_many_draws_are_read_side_by_side():
    pairs = zip(STRAIGHT, LEFT, strict=True)
    losses, safety = (np.array([first, second]) for first, second in pairs)
    assert most_within(losses, safety, 0.02) == pytest.approx([0.7, 0.8])


def part(benchmark, values, prefix="item"):
    clusters = np.array([f"{prefix}{index}" for index in range(len(values))])
    return AxisPart(benchmark, np.array(values, dtype=float), clusters)


def test_an_axis_is_the_mean_of_benchmarks_and_each_that_of_its_parts():
    one = part("a", [[1, 0], [0, 0], [np.nan, 1]])
    suite = [part("b", [[1, 1]] * 4, "x"), part("b", [[0, 1]] * 9, "y")]
    found = resampled({"axis": [one, *suite]}, 1)["axis"]
    assert found[0] == pytest.approx([(1 / 2 + 1 / 2) / 2, (1 / 3 + 1) / 2])
    assert len(found) == 1 + RESAMPLES


def test_all_models_and_axes_meet_the_same_draws():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 2, (40, 1)).astype(float)
    twice = np.concatenate([values, values], axis=1)
    axes = {"one": [part("a", twice)], "other": [part("b", 1 - twice)]}
    found = resampled(axes, 1)
    assert found["one"].std(axis=0).min() > 0
    assert (found["one"][:, 0] == found["one"][:, 1]).all()
    # The benchmarks share their items, so what the one gains the other loses.
    assert found["one"] + found["other"] == pytest.approx(np.ones_like(found["one"]))
    assert (resampled(axes, 1)["one"] == found["one"]).all()
    assert (resampled(axes, 2)["one"] != found["one"]).any()


def test_one_cluster_has_a_value_and_no_interval():
    found = resampled({"axis": [part("a", [[0.0, 1.0]])]}, 1)["axis"]
    assert found.tolist() == [[0.0, 1.0]]
    assert np.isnan(interval(found[:, 1], 1, "share")).all()


def test_an_estimate_without_spread_is_bounded_by_its_clusters():
    rows = np.ones(1 + RESAMPLES)
    low, high = interval(rows, 20, "share")
    assert (0.8 < low < 1, high) == (True, 1)
    assert interval(rows, 200, "share").low > low


def test_intervals_hold_the_truth_as_often_as_they_say(monkeypatch):
    """Base and one dose, 40 points safer at a loss of 20: 10 points at a loss of 5."""
    few = partial(resampled, resamples=400)
    monkeypatch.setattr("safegrid.score.frontier.resampled", few)
    shares = [(0.4, 0.4, 0.02, 0.8), (0.8, 0.8, 0.22, 0.8)]
    hits, draws = 0, 120
    for draw in range(draws):
        rows = line_rows(points("dpo", 2), axes_of(shares, draw), 0.05, draw)
        (gain,) = (
            row
            for row in rows
            if row["kind"] == "gain"
            and (row["axis"], row.get("loss"), row.get("at"))
            == ("refused", "lost", 0.05)
        )
        hits += gain["low"] <= 0.1 <= gain["high"]
    assert 0.89 <= hits / draws <= 0.99
