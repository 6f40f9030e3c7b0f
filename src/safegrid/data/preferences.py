"""Preference pairs from comparisons: what is chosen, what is dropped and why.

Takes a PKU-SafeRLHF file; gives rows of type PREFERENCE, with every row that became no
pair counted by its reason in the manifest.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from safegrid.artifacts import manifest, write_table
from safegrid.config.data import DATASET_FORMATS, DatasetSpec, SourceSpec
from safegrid.data import pku
from safegrid.data.draw import draw
from safegrid.errors import ConfigError, DataError
from safegrid.problems import Problems
from safegrid.records import PREFERENCE

log = logging.getLogger(__name__)

Drop = Literal[
    "checksum_mismatch",
    "empty_response",
    "identical_responses",
    "both_safe",
    "both_unsafe",
    "labels_disagree",
    "other_category",
    "duplicate",
    "contradicted",
    "over_limit",
]
# Up to so many dropped rows of one reason are listed by line in the manifest.
LISTED_DROPS = 50


class Pair(NamedTuple):
    """A chosen and a rejected response, with the line they came from."""

    line: int
    prompt: str
    chosen: str
    rejected: str
    category: str | None

    @property
    def pair_id(self) -> str:
        """Name the pair by its content, so that it is the same in every file."""
        return _hash(self.prompt, self.chosen, self.rejected)


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


def prepare_dataset(
    spec: DatasetSpec, source: SourceSpec, file: Path, out: Path
) -> None:
    """Write the preference pairs of a dataset as parquet, in the file's order.

    Raises:
        ConfigError: the source holds no comparisons.
        DataError: the file is broken, or no row of it becomes a pair.
    """
    if source.format not in DATASET_FORMATS:
        raise ConfigError(
            f"source {spec.source!r} is in format {source.format!r}, which holds no"
            f" preferences; expected one of {', '.join(sorted(DATASET_FORMATS))}"
        )
    problems = Problems(file)
    rows = list(pku.read(file, problems))
    problems.raise_any()
    if spec.categories is not None and any(row.harms is None for row in rows):
        raise DataError(
            f"{file}: has no harm categories (the seven-column form); remove"
            " `categories` from the dataset, or take a sixteen-column file"
        )
    drops = Drops()
    pairs = _draw(_distinct(_choose(rows, spec, drops), drops), spec, drops)
    if not pairs:
        raise DataError(
            f"{file}: none of {len(rows)} rows becomes a pair; dropped:"
            f" {drops.counts()}; nothing was written"
        )
    log.info("%s: %d pairs of %d rows", spec.source, len(pairs), len(rows))
    facts = manifest(
        "prepare",
        {"file": file},
        {"spec": spec.model_dump(), "format": source.format},
        rows=len(pairs),
        dropped=drops.counts(),
        dropped_lines=drops.listed(),
        without_category=sum(pair.category is None for pair in pairs),
    )
    write_table(out, _frame(pairs, spec.source), PREFERENCE, facts)


def choose(row: pku.Comparison, spec: DatasetSpec) -> Pair | Drop:
    """Return the pair that a comparison makes by the dataset's rule, or why none.

    The pair's category is the first harm category of the rejected response in
    upstream's order; null where it has none.
    """
    if not row.intact:
        return "checksum_mismatch"
    if not all(response.strip() for response in row.responses):
        return "empty_response"
    if row.responses[0] == row.responses[1]:
        return "identical_responses"
    one_safe = row.safe[0] != row.safe[1]
    if spec.keep == "exactly_one_safe" and not one_safe:
        return "both_safe" if row.safe[0] else "both_unsafe"
    if one_safe and not row.safe[row.safer]:
        return "labels_disagree"
    harms = row.harms[1 - row.safer] if row.harms is not None else ()
    if spec.categories is not None and not set(harms) & set(spec.categories):
        return "other_category"
    return Pair(
        row.line,
        row.prompt,
        chosen=row.responses[row.safer],
        rejected=row.responses[1 - row.safer],
        category=harms[0] if harms else None,
    )


def _choose(
    rows: Iterable[pku.Comparison], spec: DatasetSpec, drops: Drops
) -> list[Pair]:
    pairs = []
    for row in rows:
        chosen = choose(row, spec)
        if isinstance(chosen, Pair):
            pairs.append(chosen)
        else:
            drops.add(chosen, row.line)
    return pairs


def _distinct(pairs: list[Pair], drops: Drops) -> list[Pair]:
    """Keep the first of equal pairs, and none where rows prefer opposite ways."""
    unordered = Counter(
        _hash(pair.prompt, *sorted((pair.chosen, pair.rejected)))
        for pair in {pair.pair_id: pair for pair in pairs}.values()
    )
    kept: dict[str, Pair] = {}
    for pair in pairs:
        if unordered[_hash(pair.prompt, *sorted((pair.chosen, pair.rejected)))] > 1:
            drops.add("contradicted", pair.line)
        elif pair.pair_id in kept:
            drops.add("duplicate", pair.line)
        else:
            kept[pair.pair_id] = pair
    return list(kept.values())


def _draw(pairs: list[Pair], spec: DatasetSpec, drops: Drops) -> list[Pair]:
    drawn = draw([pair.pair_id for pair in pairs], spec.limit, spec.seed)
    for pair in pairs:
        if pair.pair_id not in drawn:
            drops.add("over_limit", pair.line)
    return [pair for pair in pairs if pair.pair_id in drawn]


def _frame(pairs: list[Pair], source: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "pair_id": [pair.pair_id for pair in pairs],
            "prompt": [pair.prompt for pair in pairs],
            "chosen": [pair.chosen for pair in pairs],
            "rejected": [pair.rejected for pair in pairs],
            "category": [pair.category for pair in pairs],
            "source": [source] * len(pairs),
            "source_row": [pair.line for pair in pairs],
        },
        schema_overrides={"category": pl.String()},
    )


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]
