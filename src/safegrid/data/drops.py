"""Rows of a file that gave no pair: counted by reason, listed where they are few."""

from typing import Literal

from safegrid.readers.plain import is_blank

Drop = Literal[
    "checksum_mismatch",
    "empty_response",
    "identical_responses",
    "both_safe",
    "both_unsafe",
    "labels_disagree",
    "not_better",
    "other_category",
    "duplicate",
    "duplicate_prompt",
    "contradicted",
    "over_limit",
]
# Up to so many dropped rows of one reason are listed by line in the manifest.
LISTED_DROPS = 50


class Drops:
    """Which rows became no pair, by reason."""

    def __init__(self) -> None:
        self._lines: dict[Drop, list[int]] = {}

    def add(self, reason: Drop, line: int) -> None:
        """Note a dropped row."""
        self._lines.setdefault(reason, []).append(line)

    def counts(self) -> dict[str, int]:
        """Return how many rows each reason dropped."""
        return {reason: len(lines) for reason, lines in self._lines.items()}

    def listed(self) -> dict[str, list[int]]:
        """Return the lines of the reasons that dropped few rows."""
        return {
            reason: lines
            for reason, lines in self._lines.items()
            if len(lines) <= LISTED_DROPS
        }


def unusable(chosen: str, rejected: str) -> Drop | None:
    """Say why two responses can make no pair, whatever is known of them."""
    if is_blank(chosen) or is_blank(rejected):
        return "empty_response"
    if chosen == rejected:
        return "identical_responses"
    return None
