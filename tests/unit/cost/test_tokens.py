"""Histograms say what their rows say, and an assumed one has the mean and the p95."""

import random
import statistics

import pytest

from safegrid.config.cost import Lengths
from safegrid.cost.tokens import assume, count, merge


def test_a_measured_histogram_knows_its_rows():
    found = count([3, 1, 3, 10], "here")
    assert (found.rows, found.total, found.mean) == (4, 17, 4.25)
    assert (found.p95, found.longest, found.measured) == (10, 10, True)
    assert found.shifted(2).total == 25
    none = count([], "here")
    assert (none.rows, none.mean, none.p95, none.longest) == (0, 0.0, 0, 0)


def test_the_longest_of_a_batch_is_that_of_random_batches():
    rng = random.Random(0)
    lengths = [rng.randint(1, 200) ** 2 // 200 + 1 for _ in range(3000)]
    drawn = [max(rng.choices(lengths, k=16)) for _ in range(4000)]
    found = count(lengths, "here")
    assert found.expected_longest(16) == pytest.approx(statistics.mean(drawn), rel=0.01)
    assert found.expected_longest(1) == pytest.approx(found.mean)


def test_batches_cut_from_a_sorted_step_are_narrower():
    rng = random.Random(0)
    lengths = [rng.randint(1, 200) ** 2 // 200 + 1 for _ in range(3000)]
    widths = []
    for _ in range(2000):
        step = sorted(rng.choices(lengths, k=32))
        widths.append(statistics.mean(step[7::8]))
    found = count(lengths, "here")
    expected = pytest.approx(statistics.mean(widths), rel=0.01)
    assert found.expected_width(32, 8) == expected
    assert found.mean < found.expected_width(32, 8) < found.expected_width(8, 8)
    assert found.expected_width(8, 8) == found.expected_longest(8)
    assert found.expected_longest(2000) == pytest.approx(found.longest, rel=0.01)


@pytest.mark.parametrize(
    ("mean", "p95"), [(25, 50), (117, 253), (60, 200), (900, 1000)]
)
def test_an_assumed_histogram_is_what_was_assumed(mean, p95):
    found = assume(Lengths(mean=mean, p95=p95), 10_000, "a guess")
    assert found.rows == 10_000
    assert found.mean == pytest.approx(mean, rel=0.03)
    assert found.p95 == pytest.approx(p95, rel=0.03)
    assert not found.measured
    assert assume(Lengths(mean=mean, p95=p95), 9, "", longest=20).longest == 20


def test_one_guess_among_measures_is_said():
    guess = assume(Lengths(mean=4), 2, "a guess")
    both = merge([count([1, 4], "here"), guess])
    assert (both.lengths, both.counts) == ((1, 4), (1, 3))
    assert (both.measured, both.source) == (False, "here; a guess")
