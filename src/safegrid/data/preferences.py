"""Preference pairs from a raw file: what is chosen, what is dropped and why.

Takes comparisons (PKU-SafeRLHF) or pairs that are ready; gives rows of type PREFERENCE,
with every row that became no pair counted by its reason in the manifest.
"""

import logging
from collections import Counter
from pathlib import Path

import polars as pl

from safegrid.artifacts import manifest, write_table
from safegrid.config.data import DATASET_FORMATS, DatasetSpec, SourceSpec
from safegrid.data import pku, ready_pairs
from safegrid.data.draw import draw
from safegrid.data.drops import Drops
from safegrid.data.rows import Pair
from safegrid.errors import ConfigError, DataError
from safegrid.problems import Problems
from safegrid.records import PREFERENCE

log = logging.getLogger(__name__)


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
    drops = Drops()
    found = _read(spec, source, file, drops)
    pairs = _draw(_distinct(found, drops), spec, drops)
    if not pairs:
        raise DataError(
            f"{file}: none of {sum(drops.counts().values())} rows becomes a pair;"
            f" dropped: {drops.counts()}; nothing was written"
        )
    log.info("%s: %d pairs, dropped %s", spec.source, len(pairs), drops.counts())
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


def _read(
    spec: DatasetSpec, source: SourceSpec, file: Path, drops: Drops
) -> list[Pair]:
    problems = Problems(file)
    if source.format != "pku":
        pairs = ready_pairs.read(file, source.format, problems, drops)
        problems.raise_any()
        return pairs
    rows = list(pku.read(file, problems))
    problems.raise_any()
    if spec.categories is not None and any(row.harms is None for row in rows):
        raise DataError(
            f"{file}: has no harm categories (the seven-column form); remove"
            " `categories` from the dataset, or take a sixteen-column file"
        )
    pairs = []
    for row in rows:
        chosen = pku.choose(row, spec)
        if isinstance(chosen, Pair):
            pairs.append(chosen)
        else:
            drops.add(chosen, row.line)
    return pairs


def _distinct(pairs: list[Pair], drops: Drops) -> list[Pair]:
    """Keep the first of equal pairs, and none where rows prefer opposite ways."""
    unordered = Counter(
        pair.unordered_id for pair in {pair.pair_id: pair for pair in pairs}.values()
    )
    kept: dict[str, Pair] = {}
    for pair in pairs:
        if unordered[pair.unordered_id] > 1:
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
