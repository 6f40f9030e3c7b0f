"""Histograms of lengths in tokens: measured on a study's own files, or assumed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt
from statistics import NormalDist

from safegrid.config.cost import Assumed, FileAssumed, Lengths
from safegrid.config.generated import CorrectionsSpec, RequestsSpec
from safegrid.config.source import PartSpec

# Standard deviations at which 95 of 100 lie below.
P95 = NormalDist().inv_cdf(0.95)
# An assumed histogram has so many lengths, and ends at its last one's quantile.
PARTS = 200


@dataclass(frozen=True)
class Tokens:
    """How many sequences there are of each length, ascending, each length once.

    `source` says in words where they are from: measured or assumed.
    """

    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    source: str
    measured: bool

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
        chances = [(below / self.rows) ** drawn for below in accumulate(self.counts)]
        steps = zip(self.lengths, chances, [0.0, *chances[:-1]], strict=True)
        return sum(length * (this - before) for length, this, before in steps)

    def shifted(self, tokens: int) -> "Tokens":
        """Return the histogram of sequences that are so many tokens longer."""
        return replace(self, lengths=tuple(length + tokens for length in self.lengths))

    def times(self, number: int) -> "Tokens":
        """Return the histogram of so many times the sequences."""
        return replace(self, counts=tuple(count * number for count in self.counts))


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


class AssumedFiles:
    """Files of sources, as assumed; methods raise UnknownError where nothing is."""

    def __init__(self, assumed: Assumed) -> None:
        self._assumed = assumed

    def file(self, source: str, file: str) -> tuple[FileAssumed, str]:
        """Return what is assumed of a file, and where that is from in words."""
        found = self._assumed.sources.get(source, {}).get(file)
        if found is None:
            raise UnknownError(
                f"nothing is known of {source} {file}: prepare it, or say under"
                f" `sources: {source}: {file}` of assumptions.yaml what to assume"
            )
        return found, said(found.why, f"{source} {file}")

    def labelled(self, source: str, file: str) -> tuple[FileAssumed, Lengths, str]:
        """Return the same of a file with answers, and their lengths."""
        found, why = self.file(source, file)
        if found.answer is None:
            raise UnknownError(f"assumptions.yaml has no `answer` for {source} {file}")
        return found, found.answer, why

    def prompts(self, part: PartSpec, asked: int = 1) -> Tokens:
        """Return a part's prompts, each asked so often, template included."""
        found, why = self.file(part.source, part.file)
        rows = min(found.rows, part.limit or found.rows)
        return assume(found.prompt, rows * asked, why).shifted(self._assumed.template)

    def sequences(
        self,
        parts: Sequence[PartSpec],
        most: int | None = None,
        longest: int | None = None,
    ) -> Tokens:
        """Return prompts and answers of parts of files, template included.

        Of each at most `most` rows, beside its own limit; rows end at `longest` tokens.
        """
        found = []
        for part in parts:
            known, answer, why = self.labelled(part.source, part.file)
            both = _added(known.prompt, answer, more=self._assumed.template)
            limits = (known.rows, part.limit, most)
            rows = min(limit for limit in limits if limit is not None)
            found.append(assume(both, rows, why, longest))
        return merge(found)

    def correction_prompts(self, spec: CorrectionsSpec) -> Tokens:
        """Return the prompts of one of a dataset's parts; triggers are left out.

        One of each request is bare, the others hold a growing share of its unsafe
        answer.
        """
        known, _, why = self.labelled(spec.requests.source, spec.requests.file)
        rows = round(_taken(known, spec.requests) / spec.shards)
        parts = [assume(one, rows, why) for one in self._cut(spec.requests)[:-1]]
        return merge([part.shifted(self._assumed.template) for part in parts])

    def correction_pairs(
        self, spec: CorrectionsSpec, longest: int
    ) -> tuple[Tokens, Tokens]:
        """Return the chosen sequences of a dataset of corrections, and the rejected.

        Answers are as long as they may be; request and answer count together. The best
        of n ranks is chosen n - 1 times and never rejected, and so on down to the
        unsafe one.
        """
        asked, template = spec.requests, self._assumed.template
        known, _, why = self.labelled(asked.source, asked.file)
        rows = _taken(known, asked)
        *cut, unsafe = self._cut(asked)
        ladder = [_added(one, more=spec.decode.max_new_tokens) for one in cut]
        ladder = [_added(one, more=template) for one in [*ladder, unsafe]]
        up = range(asked.answers + 1)
        chosen, rejected = (
            merge(
                [
                    assume(one, rows * n, why, longest)
                    for one, n in zip(ladder, times, strict=True)
                    if n
                ]
            )
            for times in (reversed(up), up)
        )
        return chosen, rejected

    def _cut(self, requests: RequestsSpec) -> list[Lengths]:
        """Return a request with its answer up to each cut, and with all of it."""
        known, answer, _ = self.labelled(requests.source, requests.file)
        shares = [cut / requests.cuts for cut in range(requests.cuts + 1)]
        return [_added(known.prompt, answer, share) for share in [*shares, 1.0]]


def said(why: str, of: str) -> str:
    """Return where an assumption is from, in words."""
    return f"lengths and rows assumed, {why}: {of}"


def _taken(found: FileAssumed, requests: RequestsSpec) -> int:
    """Return the requests that are taken, if all rows of the file were questions."""
    return min(found.rows, requests.limit or found.rows)


def _added(
    one: Lengths, other: Lengths | None = None, share: float = 1.0, more: int = 0
) -> Lengths:
    """Add a share of other lengths, and a number of tokens.

    Log-normals do not add up to one; the sums of means and of tails are near.
    """
    mean, p95 = (0.0, 0.0) if other is None else (other.mean, other.p95 or other.mean)
    return Lengths(
        mean=one.mean + share * mean + more,
        p95=(one.p95 or one.mean) + share * p95 + more,
    )
