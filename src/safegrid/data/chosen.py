"""Prompts whose good answer is known, for a model to give the one that is rejected.

Takes files of instructions with answers; gives rows of type PROMPT whose `reference` is
the chosen answer and whose `category` names the source, so that a dataset's composition
can be read off its rows.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from safegrid.config.parts import PartSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT
from safegrid.data.preferences import read_instructions, taken
from safegrid.data.rows import Drops, Pair
from safegrid.data.words import item_of
from safegrid.readers.plain import folded
from safegrid.readers.problems import Problems

log = logging.getLogger(__name__)


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
        out: rows of PROMPT, in the order of the parts and of their files.

    Raises:
        DataError: a file is broken, a part holds fewer rows than it is to give, or no
            row is left.
    """
    drops = Drops()
    drawn = [
        pair
        for part, file in zip(parts, files, strict=True)
        for pair in _part(part, file, drops)
    ]
    pairs = list(_first_of_each_prompt(drawn, drops))
    if not pairs:
        raise DataError(
            f"{', '.join(map(str, files))}: none of"
            f" {sum(drops.counts().values())} rows is an instruction with an answer;"
            f" dropped: {drops.counts()}; nothing was written"
        )
    log.info("%s: %d prompts, dropped %s", name, len(pairs), drops.counts())
    facts = manifest(
        "prepare",
        {"files": list(files)},
        {
            "name": name,
            "parts": [part.model_dump() for part in parts],
            "formats": [source.format for source in sources],
        },
        rows=len(pairs),
        dropped=drops.counts(),
        dropped_lines=drops.listed(),
        parts=dict(sorted(Counter(pair.source for pair in pairs).items())),
    )
    write_table(out, _prompts(name, pairs), PROMPT, facts)


def _part(part: PartSpec, file: Path, drops: Drops) -> list[Pair]:
    problems = Problems(file)
    read = read_instructions(part, file, problems, drops)
    problems.raise_any()
    named = [pair._replace(source=part.source) for pair in read]
    return taken(part, list(_first_of_each_prompt(named, drops)), file, drops)


def _first_of_each_prompt(pairs: Sequence[Pair], drops: Drops) -> Iterator[Pair]:
    seen: set[str] = set()
    for pair in pairs:
        if (prompt := folded(pair.prompt)) in seen:
            drops.add("duplicate_prompt", pair.line)
            continue
        seen.add(prompt)
        yield pair


def _prompts(name: str, pairs: Sequence[Pair]) -> pl.DataFrame:
    rows = [
        {
            **dict.fromkeys(PROMPT),
            "prompt_id": pair.pair_id,
            "benchmark": name,
            "prompt": [{"role": "user", "content": pair.prompt}],
            "category": pair.source,
            "cluster": item_of(pair.prompt),
            "reference": pair.chosen.strip(),
        }
        for pair in pairs
    ]
    return pl.DataFrame(rows, schema=PROMPT)
