"""Benchmark prompts from their upstream files.

Takes a file of ALERT, adversarial ALERT, RealToxicityPrompts or XSTest; gives rows of
type PROMPT: one user turn each, with category, attack and the item it comes from.
"""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.artifacts import manifest, write_table
from safegrid.config.data import PROMPT_FORMATS, PromptKind, PromptSpec, SourceSpec
from safegrid.data import alert, realtoxicityprompts, xstest
from safegrid.data.draw import draw
from safegrid.data.items import ItemFinder, item_of
from safegrid.errors import ConfigError
from safegrid.problems import Problems
from safegrid.records import PROMPT

log = logging.getLogger(__name__)

ADVERSARIAL = "adversarial"


class Prompt(NamedTuple):
    """One prompt; the fields mean what the columns of PROMPT mean."""

    prompt_id: str
    text: str
    cluster: str
    category: str | None = None
    macro_category: str | None = None
    attack: str | None = None
    reference: str | None = None


class Prompts(NamedTuple):
    """The prompts of a file, and what was counted while reading it."""

    rows: list[Prompt]
    counts: dict[str, int]


def prepare_prompts(
    benchmark: str,
    spec: PromptSpec,
    source: SourceSpec,
    file: Path,
    out: Path,
    plain: Path | None = None,
) -> None:
    """Write a benchmark's prompts as parquet, in the file's order.

    Args:
        benchmark: name in the study.
        spec: which prompts, and how rows become prompts.
        source: the registry's entry of `spec.source`.
        file: the raw file that `spec.file` names.
        out: the parquet file to write.
        plain: the raw file that `spec.plain` names, where it names one.

    Raises:
        ConfigError: source and kind do not fit, or `plain` was not handed over.
        DataError: a file is broken or holds nothing.
    """
    _check(benchmark, spec, source, plain)
    prompts, counts = READERS[spec.kind](file, plain)
    drawn = draw([prompt.prompt_id for prompt in prompts], spec.limit, spec.seed)
    kept = [prompt for prompt in prompts if prompt.prompt_id in drawn]
    log.info("%s: %d prompts of %d rows", benchmark, len(kept), len(prompts))
    inputs = {"file": file} | ({} if plain is None else {"plain": plain})
    dropped = len(prompts) - len(kept)
    facts = manifest(
        "prepare",
        inputs,
        {"benchmark": benchmark, "spec": spec.model_dump(), "format": source.format},
        rows=len(kept),
        dropped={"over_limit": dropped} if dropped else {},
        counts=counts,
    )
    write_table(out, _frame(benchmark, kept), PROMPT, facts)


def _check(
    benchmark: str, spec: PromptSpec, source: SourceSpec, plain: Path | None
) -> None:
    if source.format != PROMPT_FORMATS[spec.kind]:
        raise ConfigError(
            f"benchmark {benchmark!r}: kind {spec.kind!r} reads sources of format"
            f" {PROMPT_FORMATS[spec.kind]!r}, but {spec.source!r} is"
            f" {source.format!r}"
        )
    if (spec.plain is None) != (plain is None):
        raise ConfigError(
            f"benchmark {benchmark!r}: its block says plain: {spec.plain!r}, but the"
            f" plain file handed over is {plain}; give both or neither"
        )


def _read_alert(file: Path, plain: Path | None) -> Prompts:
    requests = _requests(file, adversarial=False)
    rows = [
        Prompt(
            f"alert-{request.number}",
            request.text,
            cluster=item_of(request.text),
            category=request.category,
            macro_category=request.macro,
        )
        for request in requests
    ]
    bare = sum(not request.wrapped for request in requests)
    return Prompts(rows, {"without_wrapper": bare, **_clusters(rows)})


def _read_adversarial(file: Path, plain: Path | None) -> Prompts:
    requests = _requests(file, adversarial=True)
    texts: dict[str, list[str]] = {}
    for item in _requests(plain, adversarial=False) if plain is not None else []:
        texts.setdefault(item.category, []).append(item.text)
    finders = {category: ItemFinder(items) for category, items in texts.items()}
    nothing = ItemFinder([])
    found: Counter[str] = Counter({"contained": 0, "similar": 0, "own": 0})
    rows = []
    for request in requests:
        cluster, how = finders.get(request.category, nothing).find(request.text)
        found[how] += 1
        rows.append(
            Prompt(
                f"adversarial-{request.number}",
                request.text,
                cluster=cluster,
                category=request.category,
                macro_category=request.macro,
                attack=request.attack,
            )
        )
    items = {f"item_{how}": count for how, count in found.items()}
    return Prompts(rows, items | _clusters(rows))


def _read_toxicity(file: Path, plain: Path | None) -> Prompts:
    problems = Problems(file)
    openings = list(realtoxicityprompts.read(file, problems))
    problems.raise_any()
    rows = [
        Prompt(
            f"toxicity-{opening.key}",
            opening.text,
            # Sentences of one web page are not independent.
            cluster=opening.document,
            attack=ADVERSARIAL if opening.adversarial else None,
        )
        for opening in openings
    ]
    without = sum(opening.adversarial is None for opening in openings)
    return Prompts(rows, {"without_score": without, **_clusters(rows)})


def _read_xstest(file: Path, plain: Path | None) -> Prompts:
    problems = Problems(file)
    probes = list(xstest.read(file, problems))
    problems.raise_any()
    rows = [
        Prompt(
            f"xstest-{probe.key}",
            probe.text,
            cluster=item_of(probe.text),
            category=probe.kind,
            reference=probe.label,
        )
        for probe in probes
    ]
    return Prompts(rows, _clusters(rows))


READERS: dict[PromptKind, Callable[[Path, Path | None], Prompts]] = {
    "alert": _read_alert,
    "alert_adversarial": _read_adversarial,
    "toxicity": _read_toxicity,
    "xstest": _read_xstest,
}


def _requests(file: Path, adversarial: bool) -> list[alert.Request]:
    problems = Problems(file)
    requests = list(alert.read(file, adversarial, problems))
    problems.raise_any()
    return requests


def _clusters(rows: list[Prompt]) -> dict[str, int]:
    return {"clusters": len({row.cluster for row in rows})}


def _frame(benchmark: str, prompts: list[Prompt]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {
        "prompt_id": [prompt.prompt_id for prompt in prompts],
        "benchmark": [benchmark] * len(prompts),
        "prompt": [[{"role": "user", "content": prompt.text}] for prompt in prompts],
        "prefill": [None] * len(prompts),
        "category": [prompt.category for prompt in prompts],
        "macro_category": [prompt.macro_category for prompt in prompts],
        "attack": [prompt.attack for prompt in prompts],
        "cluster": [prompt.cluster for prompt in prompts],
        "reference": [prompt.reference for prompt in prompts],
    }
    return pl.DataFrame(columns, schema=PROMPT)
