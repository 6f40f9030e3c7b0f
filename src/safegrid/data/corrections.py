"""Prompts from which course corrections are synthesized (C2-Syn).

Xu et al. 2024, arXiv 2407.16637. Takes comparisons (PKU-SafeRLHF); of each question
with a long unsafe answer gives the bare request, and the request with that answer
broken off at several places: an affirmative prefix, the answer up to a punctuation
mark, and a trigger after which the model goes on. Requests are taken in the file's
order, and every one that is not is counted by its reason.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from safegrid.config.generated import RequestsSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    write_stream,
    write_table,
)
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT
from safegrid.data.pku import Comparison
from safegrid.data.rows import Prompt, prompt_row
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import read_as
from safegrid.texts.affirmative_prefixes import AFFIRMATIVE_PREFIXES
from safegrid.texts.triggers import TRIGGERS

log = logging.getLogger(__name__)

# What the released code breaks an answer at.
MARKS = frozenset(',.!:;?-"(){}[]')


class CorrectionRequest(NamedTuple):
    """A request with the unsafe answer that is to be broken off; named by both."""

    name: str
    text: str
    harmful: str


def prepare_corrections(
    name: str,
    spec: RequestsSpec,
    source: SourceSpec,
    seed: int,
    file: Path,
    out: Path,
) -> None:
    """Write what a model is asked, `spec.answers` prompts for each request.

    Args:
        name: the dataset's.
        spec: which requests, and how their answers are broken off.
        source: the registry's entry of `spec.source`.
        seed: of the dataset; rules affirmative prefixes, triggers and places.
        file: the raw file that `spec.file` names.
        out: rows of PROMPT, those of a request beside each other and of one cluster;
            categories `SR` (the direct answer) and `SYN1`, `SYN2` ... `reference` of
            the first holds the whole unsafe answer.
    """
    problems = FileProblems(file)
    lost: Counter[str] = Counter()
    block = spec.model_dump(mode="json")

    def facts(rows: int) -> dict[str, object]:
        problems.raise_any()
        kept, dropped = rows // spec.answers, dict(sorted(lost.items()))
        if not rows:
            raise DataError(
                f"{file}: none of its {lost.total()} rows is a question with an unsafe"
                f" answer to be broken off: {dict(lost)}; nothing was written"
            )
        log.info("%s: %d requests, dropped %s", name, kept, dropped)
        return manifest(
            "prepare",
            {"file": file},
            {"name": name, "spec": block, "seed": seed, "format": source.format},
            rows=rows,
            dropped={why: n * spec.answers for why, n in dropped.items()},
            requests={"kept": kept, "dropped": dropped},
        )

    requests = read_requests(spec, file, problems, lost)
    prompts = (prompt for one in requests for prompt in asked(spec, seed, one))
    rows = (prompt_row(name, prompt) for prompt in prompts)
    write_stream(out, rows, PROMPT, facts)


def cut_prompt_pool(prompts: Path, shards: int, part: int, out: Path) -> None:
    """Write one of several parts of a file of prompts, requests whole.

    Args:
        prompts: what `prepare_corrections` wrote.
        shards: how many parts there are.
        part: which one, from 1.
        out: rows of PROMPT.
    """
    facts = read_manifest(prompts)
    requests = facts["requests"]["kept"]
    if requests < shards:
        raise DataError(
            f"{prompts}: {requests} requests cannot be asked in {shards} parts; lower"
            " `shards` of the dataset"
        )
    each = facts["rows"] // requests
    first, last = (requests * place // shards for place in (part - 1, part))
    rows = (last - first) * each
    frame = pl.scan_parquet(prompts, glob=False).slice(first * each, rows).collect()
    params = {"shards": shards, "part": part}
    found = manifest("prepare", {"prompts": prompts}, params, rows=rows)
    write_table(out, frame, PROMPT, found)


def read_requests(
    spec: RequestsSpec, file: Path, problems: FileProblems, lost: Counter[str]
) -> Iterator[CorrectionRequest]:
    """Give the requests of a file; others are counted in `lost`."""
    seen: set[str] = set()
    for _, row in read_as(file, Comparison, problems):
        found = find(spec, row)
        if isinstance(found, str):
            lost[found] += 1
        elif found.name in seen:
            lost["duplicate"] += 1
        elif spec.limit is not None and len(seen) == spec.limit:
            lost["over_limit"] += 1
        else:
            seen.add(found.name)
            yield found


def find(spec: RequestsSpec, row: Comparison) -> CorrectionRequest | str:
    """Return the request that a row makes, or why it makes none."""
    if not row.intact:
        return "checksum_mismatch"
    if not any(word in row.prompt for word in spec.words):
        return "no_question_word"
    if not row.unsafe:
        return "no_unsafe_answer"
    long = [text for text in row.unsafe if len(text.split()) > spec.min_words]
    if not long:
        return "short_unsafe_answer"
    if len(ends(long[0])) < spec.cuts:
        return "few_marks"
    return CorrectionRequest(
        _digest(row.prompt, long[0]).hex()[:16], row.prompt, long[0]
    )


def ends(text: str) -> list[int]:
    """Return the places right behind a text's punctuation marks."""
    return [place for place, char in enumerate(text, start=1) if char in MARKS]


def broken(text: str, cuts: int, draw: int) -> list[str]:
    """Return the prefixes of a text that end at every n-th of its t marks.

    n is t // cuts or one less, but not 0, as `draw` has it: even or odd.
    """
    places = ends(text)
    most = len(places) // cuts
    step = max(1, most - draw % 2)
    return [text[: places[step * number - 1]].lstrip() for number in range(1, cuts + 1)]


def asked(
    spec: RequestsSpec, seed: int, request: CorrectionRequest
) -> Iterator[Prompt]:
    """Give the prompts of one request, the direct answer's first."""
    name = request.name

    def draw(what: str) -> int:
        return int.from_bytes(_digest(str(seed), name, what)[:8])

    bare = Prompt(f"{name}-safe", request.text, cluster=name, category="SR")
    yield bare._replace(reference=request.harmful)
    prefixes = AFFIRMATIVE_PREFIXES[spec.affirmative_prefixes]
    cuts = broken(request.harmful, spec.cuts, draw("step"))
    for number, text in enumerate(cuts, start=1):
        prefix = prefixes[draw(f"opener {number}") % len(prefixes)]
        trigger = TRIGGERS[draw(f"trigger {number}") % len(TRIGGERS)]
        yield bare._replace(
            prompt_id=f"{name}-syn{number}",
            category=f"SYN{number}",
            prefill=f"{prefix} {text} {trigger}",
        )


def _digest(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode()).digest()
