"""Lengths of prompts and answers that are assumed of files that are not there yet."""

from collections.abc import Sequence

from safegrid.config.cost import Assumed, FileAssumed, Lengths
from safegrid.config.generated import CorrectionsSpec, RequestsSpec
from safegrid.config.source import PartSpec
from safegrid.cost.tokens import Tokens, UnknownError, assume, merge


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
        answers: int = 1,
    ) -> Tokens:
        """Return prompts of parts of files with their answers, template included.

        Of each at most `most` rows, beside its own limit; a prompt with one answer ends
        at `longest` tokens. Further answers are as long as the first.
        """
        found = []
        for part in parts:
            known, answer, why = self.labelled(part.source, part.file)
            row = _added(known.prompt, more=self._assumed.template)
            for _ in range(answers):
                row = _added(row, answer)
            limits = (known.rows, part.limit, most)
            rows = min(limit for limit in limits if limit is not None)
            end = None if longest is None else longest * answers
            found.append(assume(row, rows, why, end))
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
