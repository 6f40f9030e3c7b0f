"""Lengths of the rows of sources' files, as assumed until they are measured."""

from collections.abc import Sequence

from safegrid.config.cost import Assumed, FileAssumed, Lengths
from safegrid.config.parts import PartSpec
from safegrid.cost.tokens import Tokens, assume, merge


class UnknownError(Exception):
    """Nothing is measured and nothing assumed: a plan leaves this blank, with why."""


class AssumedFiles:
    """What is assumed of the files of sources.

    Every function raises UnknownError where nothing is.
    """

    def __init__(self, assumed: Assumed) -> None:
        self._assumed = assumed

    def file(self, source: str, file: str) -> FileAssumed:
        """Return what is assumed of a file."""
        found = self._assumed.sources.get(source, {}).get(file)
        if found is None:
            raise UnknownError(
                f"nothing is known of {source} {file}: prepare it, or say under"
                f" `sources: {source}: {file}` of assumptions.yaml what to assume"
            )
        return found

    def prompts(self, parts: Sequence[PartSpec]) -> Tokens:
        """Return the prompts of parts of files, template included."""
        return merge([self._prompts(part) for part in parts])

    def sequences(
        self,
        parts: Sequence[PartSpec],
        most: int | None = None,
        longest: int | None = None,
    ) -> Tokens:
        """Return prompts and answers of parts of files, template included.

        Args:
            parts: of the files.
            most: rows of each at most, beside its own limit.
            longest: tokens beyond which a row is cut or dropped.
        """
        return merge([self._sequences(part, most, longest) for part in parts])

    def _prompts(self, part: PartSpec) -> Tokens:
        found = self.file(part.source, part.file)
        rows = min(found.rows, part.limit or found.rows)
        asked = assume(
            found.prompt, rows, assumed_from(part.source, part.file, found.why)
        )
        return asked.shifted(self._assumed.template)

    def _sequences(
        self, part: PartSpec, most: int | None, longest: int | None
    ) -> Tokens:
        found = self.file(part.source, part.file)
        answer = answer_of(found, part.source, part.file)
        # Log-normals do not add up to one; the sums of means and of tails are near.
        both = Lengths(
            mean=found.prompt.mean + answer.mean + self._assumed.template,
            p95=_p95(found.prompt) + _p95(answer) + self._assumed.template,
        )
        limits = (found.rows, part.limit, most)
        rows = min(limit for limit in limits if limit is not None)
        source = assumed_from(part.source, part.file, found.why)
        return assume(both, rows, source, longest)


def assumed_from(source: str, file: str, why: str) -> str:
    """Return where an assumption is from, in words."""
    return f"lengths and rows assumed, {why}: {source} {file}"


def answer_of(found: FileAssumed, source: str, file: str) -> Lengths:
    """Return the lengths of a file's answers.

    Raises:
        UnknownError: they are not assumed.
    """
    if found.answer is None:
        raise UnknownError(f"assumptions.yaml has no `answer` for {source} {file}")
    return found.answer


def _p95(lengths: Lengths) -> float:
    return lengths.p95 or lengths.mean
