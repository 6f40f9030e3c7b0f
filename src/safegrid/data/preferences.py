"""Training rows from raw files: what is chosen, what is dropped and why.

Takes comparisons (PKU-SafeRLHF), pairs that are ready, or instructions with an answer,
from one file or mixed from several; gives rows of type PREFERENCE. Of instructions it
also gives prompts whose good answer is known, for a model to give the one that is
rejected. Every row that became none is counted by its reason in the manifest.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.dataset import DatasetSpec
from safegrid.config.source import PartSpec, SourceSpec
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.data import instructions, pku
from safegrid.data.alert import unwrap
from safegrid.data.rows import Pair, Prompt, draw, prompt_row, unusable
from safegrid.data.words import item_of
from safegrid.readers.plain import folded, is_blank
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, read_as

log = logging.getLogger(__name__)


# Up to so many dropped rows of one reason are listed by line in the manifest.
LISTED_DROPS = 50
Drops = defaultdict[str, list[int]]
"""The lines of the rows that became no pair, by reason."""
Read = Callable[[Path, FileProblems, Drops], Iterable[Pair]]


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
    """
    drops: Drops = defaultdict(list)
    reads = map(partial(_reader, spec), spec.rows_from, sources)
    found = _gathered(spec.rows_from, files, reads, _distinct, drops)
    pairs = _drawn(found, spec.limit, spec.seed, drops)
    params = {
        "spec": spec.model_dump(),
        "formats": [source.format for source in sources],
    }
    without = sum(pair.category is None for pair in pairs)
    facts = _facts(
        "a training row", files, params, pairs, drops, without_category=without
    )
    rows = [[getattr(pair, name) for name in PREFERENCE] for pair in pairs]
    frame = pl.DataFrame(rows, schema=PREFERENCE, orient="row")
    write_table(out, frame, PREFERENCE, facts)


def prepare_chosen(
    name: str,
    parts: Sequence[PartSpec],
    sources: Sequence[SourceSpec],
    files: Sequence[Path],
    out: Path,
) -> None:
    """Write the prompts of a dataset with their chosen answers.

    Of rows with the same prompt, which are told apart by neither capitals nor white
    space, the first one is kept: within a part before its limit draws, between parts
    that of the part which is listed first.

    Args:
        name: the dataset's.
        parts: which rows of which files.
        sources: the registry's entry of the source of each part, of format
            `instructions`.
        files: the raw file of each part.
        out: rows of PROMPT, in the order of the parts and of their files; `reference`
            is the chosen answer, `category` names the source.
    """
    drops: Drops = defaultdict(list)
    reads = [partial(_answered, part) for part in parts]
    pairs = _gathered(parts, files, reads, _first_of_each_prompt, drops)
    params = {
        "name": name,
        "parts": [part.model_dump() for part in parts],
        "formats": [source.format for source in sources],
    }
    facts = _facts("an instruction with an answer", files, params, pairs, drops)
    rows = []
    for pair in pairs:
        prompt = Prompt(pair.pair_id, pair.prompt, item_of(pair.prompt), pair.source)
        rows.append(prompt_row(name, prompt._replace(reference=pair.chosen.strip())))
    write_table(out, pl.DataFrame(rows, schema=PROMPT), PROMPT, facts)


def _reader(spec: DatasetSpec, part: PartSpec, source: SourceSpec) -> Read:
    """Return what reads a source's files of rows."""
    if source.format == "pku":
        return partial(_compared, spec)
    if source.format == "instructions":
        return partial(_answered, part)
    return partial(_ready, source.format == "alert_dpo")


def _gathered(
    parts: Sequence[PartSpec],
    files: Sequence[Path],
    reads: Iterable[Read],
    distinct: Callable[[Sequence[Pair], Drops], list[Pair]],
    drops: Drops,
) -> list[Pair]:
    """Return as many rows as each part is to give, distinct within it and between."""
    found: list[Pair] = []
    for part, file, read in zip(parts, files, reads, strict=True):
        problems = FileProblems(file)
        rows = list(read(file, problems, drops))
        problems.raise_any()
        own = distinct([pair._replace(source=part.source) for pair in rows], drops)
        if part.limit is not None and len(own) < part.limit:
            raise DataError(
                f"{file}: the dataset takes {part.limit} rows of {part.source}, but"
                f" only {len(own)} are left of it (dropped so far:"
                f" {_counted(drops) or 'none'}); lower `limit` of this part"
            )
        found += _drawn(own, part.limit, part.seed, drops)
    return distinct(found, drops)


def _facts(
    wanted: str,
    files: Sequence[Path],
    params: dict[str, Any],
    pairs: Sequence[Pair],
    drops: Drops,
    **more: Any,
) -> dict[str, Any]:
    names, dropped = ", ".join(map(str, files)), _counted(drops)
    if not pairs:
        raise DataError(
            f"{names}: none of {sum(dropped.values())} rows becomes {wanted};"
            f" dropped: {dropped}; nothing was written"
        )
    log.info("%s: %d rows, dropped %s", names, len(pairs), dropped)
    return manifest(
        "prepare",
        {"files": list(files)},
        params,
        rows=len(pairs),
        dropped=dropped,
        dropped_lines={w: ns for w, ns in drops.items() if len(ns) <= LISTED_DROPS},
        parts=dict(sorted(Counter(pair.source for pair in pairs).items())),
        **more,
    )


def _counted(drops: Drops) -> dict[str, int]:
    return {reason: len(lines) for reason, lines in drops.items()}


def _compared(
    spec: DatasetSpec, file: Path, problems: FileProblems, drops: Drops
) -> Iterator[Pair]:
    rows = list(read_as(file, pku.Comparison, problems))
    problems.raise_any()
    if spec.categories is not None and not all(row.has_harms for _, row in rows):
        raise DataError(
            f"{file}: has no harm categories (the seven-column form); remove"
            " `categories` from the dataset, or take a sixteen-column file"
        )
    for line, row in rows:
        chosen = pku.choose(line, row, spec)
        if isinstance(chosen, Pair):
            yield chosen
        else:
            drops[chosen].append(line)


def _answered(
    part: PartSpec, file: Path, problems: FileProblems, drops: Drops
) -> Iterator[Pair]:
    """Give instructions with an answer; those without one are dropped."""
    for row in instructions.read(file, problems, part.input_heading):
        if is_blank(row.response):
            drops["empty_response"].append(row.line)
        else:
            yield Pair(row.line, row.prompt, row.response, None)


def _ready(
    is_wrapped: bool, file: Path, problems: FileProblems, drops: Drops
) -> Iterator[Pair]:
    """Give pairs that are ready; ALERT_DPO's prompts lose ALERT's wrapper."""
    for line, row in read_as(file, Ready, problems):
        prompt = unwrap(row.prompt)[0] if is_wrapped else row.prompt
        if (reason := unusable(row.chosen, row.rejected)) is not None:
            drops[reason].append(line)
        elif prompt:
            yield Pair(line, prompt, row.chosen, row.rejected, row.category or None)
        else:
            problems.add(line, "field 'prompt' holds nothing but its wrapper")


def _distinct(pairs: Sequence[Pair], drops: Drops) -> list[Pair]:
    """Keep the first of equal pairs, and none where rows prefer opposite ways."""
    ids = {(pair.pair_id, pair.unordered_id) for pair in pairs}
    ways = Counter(unordered for _, unordered in ids)
    kept = []
    for pair in pairs:
        if ways[pair.unordered_id] > 1:
            drops["contradicted"].append(pair.source_row)
        else:
            kept.append(pair)
    return _firsts(kept, lambda pair: pair.pair_id, "duplicate", drops)


def _first_of_each_prompt(pairs: Sequence[Pair], drops: Drops) -> list[Pair]:
    return _firsts(pairs, lambda pair: folded(pair.prompt), "duplicate_prompt", drops)


def _firsts(
    pairs: Sequence[Pair], key: Callable[[Pair], str], reason: str, drops: Drops
) -> list[Pair]:
    kept: dict[str, Pair] = {}
    for pair in pairs:
        if kept.setdefault(key(pair), pair) is not pair:
            drops[reason].append(pair.source_row)
    return list(kept.values())


def _drawn(pairs: list[Pair], limit: int | None, seed: int, drops: Drops) -> list[Pair]:
    drawn = draw([pair.pair_id for pair in pairs], limit, seed)
    for pair in pairs:
        if pair.pair_id not in drawn:
            drops["over_limit"].append(pair.source_row)
    return [pair for pair in pairs if pair.pair_id in drawn]
