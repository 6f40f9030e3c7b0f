"""Histograms of lengths in tokens: measured on a study's own files, or assumed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import accumulate
from math import exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from safegrid.config.cost import Lengths

# Standard deviations at which 95 of 100 lie below.
P95 = NormalDist().inv_cdf(0.95)
# An assumed histogram has so many lengths, and ends at its last one's quantile.
PARTS = 200


@dataclass(frozen=True)
class Tokens:
    """How many sequences there are of each length, ascending, each length once.

    `source` says in words where they are from: measured or assumed. `shared` tokens are
    the same at the beginning of all sequences, as a template's, where that is measured.
    """

    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    source: str
    measured: bool
    shared: int = 0

    @classmethod
    def of(cls, counts: Mapping[int, int], source: str, measured: bool) -> "Tokens":
        """Make the histogram of so many sequences by their length."""
        lengths = tuple(sorted(counts))
        return cls(lengths, tuple(counts[n] for n in lengths), source, measured)

    @classmethod
    def alike(cls, length: int, rows: int, source: str) -> "Tokens":
        """Assume so many sequences of one length."""
        return cls((length,), (rows,), source, measured=False)

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
        enough = 0.95 * self.rows
        pairs = zip(self.lengths, accumulate(self.counts), strict=True)
        return next((n for n, count in pairs if count >= enough), 0)

    def expected_longest(self, drawn: int) -> float:
        """Return how long the longest of `drawn` random sequences is in the mean."""
        return self.expected_width(drawn, drawn)

    def expected_width(self, drawn: int, size: int) -> float:
        """Return how wide batches are that are cut from sequences sorted by length.

        `drawn` random sequences are sorted and cut into batches of `size`, which
        divides them; each is as wide as its longest. The mean over the batches.
        """
        return _expected_width(self, drawn, size)

    def shifted(self, tokens: int) -> "Tokens":
        """Return the histogram of sequences that are so many tokens longer."""
        return replace(self, lengths=tuple(length + tokens for length in self.lengths))

    def times(self, number: int) -> "Tokens":
        """Return the histogram of so many times the sequences."""
        return replace(self, counts=tuple(count * number for count in self.counts))


class Pairs(NamedTuple):
    """A dataset's sequences, prompt and answer together; instructions have one each.

    `rows` are prompts with all their answers, as trainers of pairs read them.
    """

    chosen: Tokens
    both: Tokens
    rows: Tokens


@cache
def _expected_width(tokens: Tokens, drawn: int, size: int) -> float:
    """Return the mean of order statistics: the size-th smallest, the 2 size-th, ..."""
    # Logarithms: of a thousand drawn no float holds the number of ways.
    ways = [
        lgamma(drawn + 1) - lgamma(n + 1) - lgamma(drawn - n + 1)
        for n in range(drawn + 1)
    ]
    batches, width, before = drawn // size, 0.0, 0.0
    for length, below in zip(tokens.lengths, accumulate(tokens.counts), strict=True):
        ended = float(batches if below else 0)
        if 0 < below < tokens.rows:
            own, other = log(below / tokens.rows), log(1 - below / tokens.rows)
            # That so many of the drawn are no longer than this.
            exact = (exp(w + n * own + (drawn - n) * other) for n, w in enumerate(ways))
            ended = sum(share * (number // size) for number, share in enumerate(exact))
        width += length * (ended - before)
        before = ended
    return width / batches


def count(lengths: Iterable[int], source: str) -> Tokens:
    """Return the histogram of measured lengths."""
    return Tokens.of(Counter(lengths), source, measured=True)


def assume(spec: Lengths, rows: int, source: str, longest: int | None = None) -> Tokens:
    """Return a histogram of assumed lengths: log-normal by its mean and its p95.

    Nothing is longer than `longest`: longer ones are dropped or cut.
    """
    places = [(number + 0.5) / PARTS for number in range(PARTS)]
    drawn = [max(1, round(_quantile(spec, place))) for place in places]
    if longest is not None:
        drawn = [min(length, longest) for length in drawn]
    found = sorted(Counter(drawn).items())
    bounds = [round(rows * share / PARTS) for share in accumulate(n for _, n in found)]
    counts = [b - a for a, b in zip([0, *bounds], bounds, strict=False)]
    return Tokens(tuple(n for n, _ in found), tuple(counts), source, measured=False)


def merge(parts: Sequence[Tokens]) -> Tokens:
    """Return one histogram of several, measured where all of them are."""
    found: Counter[int] = Counter()
    for part in parts:
        found.update(dict(zip(part.lengths, part.counts, strict=True)))
    sources = dict.fromkeys(part.source for part in parts)
    return Tokens.of(found, "; ".join(sources), all(part.measured for part in parts))


def _quantile(spec: Lengths, place: float) -> float:
    """Return the length that a share of the sequences does not exceed.

    mean = exp(m + s^2 / 2) and p95 = exp(m + z s), so
    s^2 / 2 - z s + ln(p95 / mean) = 0. Where p95 is too far from the mean for a
    log-normal, the widest one is taken.
    """
    if spec.p95 is None or spec.p95 == spec.mean:
        return spec.mean
    inside = P95**2 - 2 * log(spec.p95 / spec.mean)
    sigma = P95 - sqrt(max(0.0, inside))
    return exp(NormalDist(log(spec.mean) - sigma**2 / 2, sigma).inv_cdf(place))


class UnknownError(Exception):
    """Nothing is measured and nothing assumed: a plan leaves this blank, with why."""
