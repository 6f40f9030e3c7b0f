"""Training rows from raw files: what is chosen, what is dropped and why.

Takes comparisons (PKU-SafeRLHF), pairs that are ready, or instructions with an answer,
from one file or mixed from several; gives rows of type PREFERENCE, with every row that
became none counted by its reason in the manifest.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from safegrid.config.dataset import DatasetSpec
from safegrid.config.parts import PartSpec
from safegrid.config.source import DATASET_FORMATS, Format, SourceSpec
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import PREFERENCE
from safegrid.data import instructions, pku
from safegrid.data.alert import unwrap
from safegrid.data.rows import Drops, Pair, draw, unusable
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems
from safegrid.readers.raw import Fields, Filled, read_as

log = logging.getLogger(__name__)


class Ready(Fields):
    """A row that says itself what is chosen: ALERT_DPO, safe_to_serve, your own csv."""

    prompt: Filled
    chosen: str
    rejected: str
    category: str | None = None


def prepare_dataset(
    spec: DatasetSpec,
    sources: Sequence[SourceSpec],
    files: Sequence[Path],
    out: Path,
) -> None:
    """Write the rows of a dataset as parquet, in the order of its files.

    Args:
        spec: which rows.
        sources: the registry's entry of the source of each of `spec.rows_from`.
        files: the raw file of each of them.
        out: rows of PREFERENCE.

    Raises:
        ConfigError: a source holds no training rows.
        DataError: a file is broken, a part holds fewer rows than it is to give, or no
            row is left.
    """
    drops = Drops()
    found: list[Pair] = []
    for part, source, file in zip(spec.rows_from, sources, files, strict=True):
        rows = _read(spec, part, source, file, drops)
        found += taken(part, _distinct(rows, drops), file, drops)
    # Parts may share a row.
    pairs = _drawn(_distinct(found, drops), spec.limit, spec.seed, drops)
    names = ", ".join(str(file) for file in files)
    if not pairs:
        raise DataError(
            f"{names}: none of {sum(drops.counts().values())} rows becomes a training"
            f" row; dropped: {drops.counts()}; nothing was written"
        )
    log.info("%s: %d rows, dropped %s", names, len(pairs), drops.counts())
    facts = manifest(
        "prepare",
        {"files": list(files)},
        {
            "spec": spec.model_dump(),
            "formats": [source.format for source in sources],
        },
        rows=len(pairs),
        dropped=drops.counts(),
        dropped_lines=drops.listed(),
        without_category=sum(pair.category is None for pair in pairs),
        parts=dict(sorted(Counter(pair.source for pair in pairs).items())),
    )
    write_table(out, training_rows(pairs), PREFERENCE, facts)


def training_rows(pairs: Sequence[Pair]) -> pl.DataFrame:
    """Return pairs as rows of PREFERENCE, in their order."""
    return pl.DataFrame(
        {
            "pair_id": [pair.pair_id for pair in pairs],
            "prompt": [pair.prompt for pair in pairs],
            "chosen": [pair.chosen for pair in pairs],
            "rejected": [pair.rejected for pair in pairs],
            "category": [pair.category for pair in pairs],
            "source": [pair.source for pair in pairs],
            "source_row": [pair.line for pair in pairs],
        },
        schema=PREFERENCE,
    )


def _read(
    spec: DatasetSpec, part: PartSpec, source: SourceSpec, file: Path, drops: Drops
) -> list[Pair]:
    if source.format not in DATASET_FORMATS:
        raise ConfigError(
            f"source {part.source!r} is in format {source.format!r}, which holds no"
            f" training rows; expected one of {', '.join(sorted(DATASET_FORMATS))}"
        )
    problems = Problems(file)
    if source.format == "pku":
        pairs = _read_comparisons(spec, file, problems, drops)
    elif source.format == "instructions":
        pairs = read_instructions(part, file, problems, drops)
    else:
        pairs = list(_read_ready(file, source.format, problems, drops))
    problems.raise_any()
    return [pair._replace(source=part.source) for pair in pairs]


def _read_comparisons(
    spec: DatasetSpec, file: Path, problems: Problems, drops: Drops
) -> list[Pair]:
    rows = list(read_as(file, pku.Comparison, problems))
    problems.raise_any()
    if spec.categories is not None and not all(row.has_harms for _, row in rows):
        raise DataError(
            f"{file}: has no harm categories (the seven-column form); remove"
            " `categories` from the dataset, or take a sixteen-column file"
        )
    pairs = []
    for line, row in rows:
        chosen = pku.choose(line, row, spec)
        if isinstance(chosen, Pair):
            pairs.append(chosen)
        else:
            drops.add(chosen, line)
    return pairs


def _read_ready(
    file: Path, form: Format, problems: Problems, drops: Drops
) -> Iterator[Pair]:
    """Give pairs that are ready; ALERT_DPO's prompts lose ALERT's wrapper."""
    for line, row in read_as(file, Ready, problems):
        prompt = unwrap(row.prompt)[0] if form == "alert_dpo" else row.prompt
        if (reason := unusable(row.chosen, row.rejected)) is not None:
            drops.add(reason, line)
        elif prompt:
            yield Pair(line, prompt, row.chosen, row.rejected, row.category or None)
        else:
            problems.add(line, "field 'prompt' holds nothing but its wrapper")


def read_instructions(
    part: PartSpec, file: Path, problems: Problems, drops: Drops
) -> list[Pair]:
    """Read instructions with an answer; those without one are dropped and counted."""
    pairs = []
    for row in instructions.read(file, problems, part.input_heading):
        if is_blank(row.response):
            drops.add("empty_response", row.line)
        else:
            pairs.append(Pair(row.line, row.prompt, row.response, None))
    return pairs


def taken(part: PartSpec, pairs: list[Pair], file: Path, drops: Drops) -> list[Pair]:
    """Return the rows that a part is to give: exactly as many as it says.

    Raises:
        DataError: the file holds fewer.
    """
    if part.limit is not None and len(pairs) < part.limit:
        raise DataError(
            f"{file}: the dataset takes {part.limit} rows of {part.source}, but only"
            f" {len(pairs)} are left of it (dropped so far:"
            f" {drops.counts() or 'none'}); lower `limit` of this part"
        )
    return _drawn(pairs, part.limit, part.seed, drops)


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


def _drawn(pairs: list[Pair], limit: int | None, seed: int, drops: Drops) -> list[Pair]:
    drawn = draw([pair.pair_id for pair in pairs], limit, seed)
    for pair in pairs:
        if pair.pair_id not in drawn:
            drops.add("over_limit", pair.line)
    return [pair for pair in pairs if pair.pair_id in drawn]
