"""Histograms of lengths in tokens: measured on a study's own files, or assumed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt
from statistics import NormalDist

from safegrid.config.cost import Lengths

# Standard deviations at which 95 of 100 lie below.
P95 = NormalDist().inv_cdf(0.95)
# An assumed histogram has so many lengths, and ends at its last one's quantile.
PARTS = 200


@dataclass(frozen=True)
class Tokens:
    """How many sequences there are of each length.

    Attributes:
        lengths: ascending, each once.
        counts: of each length.
        source: where they are from, in words.
        measured: or assumed.
    """

    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    source: str
    measured: bool

    @cached_property
    def rows(self) -> int:
        """How many sequences."""
        return sum(self.counts)

    @cached_property
    def total(self) -> int:
        """Tokens of all of them."""
        return sum(
            n * count for n, count in zip(self.lengths, self.counts, strict=True)
        )

    @property
    def mean(self) -> float:
        """Tokens of a sequence; 0 where there is none."""
        return self.total / self.rows if self.rows else 0.0

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence; 0 where there is none."""
        return max(self.lengths, default=0)

    @property
    def p95(self) -> int:
        """The length that 95 of 100 do not exceed."""
        below = accumulate(self.counts)
        enough = 0.95 * self.rows
        pairs = zip(self.lengths, below, strict=True)
        return next((n for n, count in pairs if count >= enough), 0)

    def expected_longest(self, drawn: int) -> float:
        """Return how long the longest of `drawn` sequences is in the mean.

        It is what a batch in random order is padded to.
        """
        shares = [below / self.rows for below in accumulate(self.counts)]
        chances = [share**drawn for share in shares]
        steps = zip(self.lengths, chances, [0.0, *chances[:-1]], strict=True)
        return sum(length * (this - before) for length, this, before in steps)

    def shifted(self, tokens: int) -> "Tokens":
        """Return the histogram of sequences that are so many tokens longer."""
        longer = tuple(length + tokens for length in self.lengths)
        return Tokens(longer, self.counts, self.source, self.measured)

    def times(self, number: int) -> "Tokens":
        """Return the histogram of so many times the sequences."""
        more = tuple(count * number for count in self.counts)
        return Tokens(self.lengths, more, self.source, self.measured)


def count(lengths: Iterable[int], source: str) -> Tokens:
    """Return the histogram of measured lengths."""
    found = sorted(Counter(lengths).items())
    return Tokens(
        tuple(length for length, _ in found),
        tuple(number for _, number in found),
        source,
        True,
    )


def assume(spec: Lengths, rows: int, source: str, longest: int | None = None) -> Tokens:
    """Return a histogram of assumed lengths: log-normal by its mean and its p95.

    Args:
        spec: mean and p95.
        rows: how many sequences.
        source: who says so.
        longest: nothing is longer: longer ones are dropped or cut.
    """
    places = [(number + 0.5) / PARTS for number in range(PARTS)]
    drawn = [max(1, round(_quantile(spec, place))) for place in places]
    if longest is not None:
        drawn = [min(length, longest) for length in drawn]
    found = Counter(drawn)
    lengths = sorted(found)
    below = accumulate(found[length] for length in lengths)
    bounds = [round(rows * share / PARTS) for share in below]
    counts = [b - a for a, b in zip([0, *bounds], bounds, strict=False)]
    return Tokens(tuple(lengths), tuple(counts), source, False)


def merge(parts: Sequence[Tokens]) -> Tokens:
    """Return one histogram of several, measured where all of them are."""
    found: Counter[int] = Counter()
    for part in parts:
        found.update(dict(zip(part.lengths, part.counts, strict=True)))
    lengths = sorted(found)
    sources = dict.fromkeys(part.source for part in parts)
    return Tokens(
        tuple(lengths),
        tuple(found[length] for length in lengths),
        "; ".join(sources),
        all(part.measured for part in parts),
    )


def _quantile(spec: Lengths, place: float) -> float:
    if spec.p95 is None or spec.p95 == spec.mean:
        return spec.mean
    normal = _log_normal(spec.mean, spec.p95)
    return exp(normal.inv_cdf(place))


def _log_normal(mean: float, p95: float) -> NormalDist:
    """Return the normal distribution of the logarithms.

    mean = exp(m + s^2 / 2) and p95 = exp(m + z s), so
    s^2 / 2 - z s + ln(p95 / mean) = 0. Where p95 is too far from the mean for a
    log-normal, the widest one is taken.
    """
    inside = P95**2 - 2 * log(p95 / mean)
    sigma = P95 - sqrt(max(0.0, inside))
    return NormalDist(log(mean) - sigma**2 / 2, sigma)
