"""Assumed lengths of the rows of course corrections."""

from safegrid.config.cost import FileAssumed, Lengths
from safegrid.config.generated import CorrectionsSpec, RequestsSpec
from safegrid.cost.tokens import Tokens, assume, merge


def taken(found: FileAssumed, requests: RequestsSpec) -> int:
    """Return the requests that are taken, if all rows of the file were questions."""
    return min(found.rows, requests.limit or found.rows)


def prompts(
    found: FileAssumed, spec: CorrectionsSpec, template: int, source: str
) -> Tokens:
    """Return the prompts of one of a dataset's parts, as assumed.

    One of each request is bare, the others hold a growing share of its unsafe answer.
    Openers and triggers are left out.
    """
    rows = round(taken(found, spec.requests) / spec.shards)
    lengths = [_asked(found, spec.requests, cut) for cut in _cuts(spec.requests)]
    return merge([assume(one, rows, source).shifted(template) for one in lengths])


def pairs(
    found: FileAssumed,
    spec: CorrectionsSpec,
    template: int,
    source: str,
    longest: int,
) -> tuple[Tokens, Tokens]:
    """Return the chosen sequences of a dataset, and the rejected ones, as assumed.

    Answers are as long as they may be; request and answer count together. The best of
    n ranks is chosen n - 1 times and never rejected, and so on down to the unsafe one.
    """
    asked = spec.requests
    written = spec.decode.max_new_tokens
    rows = taken(found, asked)
    ladder = [_longer(_asked(found, asked, cut), written) for cut in _cuts(asked)]
    ladder.append(_asked(found, asked, asked.cuts))
    sides = []
    for times in (range(asked.answers, -1, -1), range(asked.answers + 1)):
        parts = [
            assume(_longer(one, template), rows * n, source, longest)
            for one, n in zip(ladder, times, strict=True)
            if n
        ]
        sides.append(merge(parts))
    return sides[0], sides[1]


def _cuts(requests: RequestsSpec) -> range:
    return range(requests.cuts + 1)


def _asked(found: FileAssumed, requests: RequestsSpec, cut: int) -> Lengths:
    """Return a request with the share of its answer up to a cut."""
    assert found.answer is not None, "checked by whoever read the assumption"
    share = cut / requests.cuts
    return Lengths(
        mean=found.prompt.mean + share * found.answer.mean,
        p95=_p95(found.prompt) + share * _p95(found.answer),
    )


def _longer(lengths: Lengths, tokens: int) -> Lengths:
    return Lengths(mean=lengths.mean + tokens, p95=_p95(lengths) + tokens)


def _p95(lengths: Lengths) -> float:
    return lengths.p95 or lengths.mean
