"""Train one model by one recipe."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.artifacts import manifest, read_table, sha256_file, sha256_json
from safegrid.checkpoints import load_model, loading, weights_hash, weights_of
from safegrid.config.training import Recipe
from safegrid.methods import METHODS
from safegrid.pretrained import load_tokenizer
from safegrid.records import PAIRS
from safegrid.train import checks, lease
from safegrid.train import rows as row_order
from safegrid.train.plan import (
    Plan,
    check_settings,
    check_warmup,
    is_main_process,
    make_plan,
)
from safegrid.train.provenance import lineage, run_facts
from safegrid.train.shared import join_kto_reference, join_reference
from safegrid.train.tokenize import close_conversations

logger = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


def train(
    pairs: Path,
    chain: list[Path],
    reference: Path | None,
    kto_reference: Path | None,
    recipe: Recipe,
    seed: int,
    data_seed: int,
    out: Path,
    checkpoints: Path,
) -> None:
    """Train a model and write its folder.

    A training that was killed goes on from its last whole checkpoint and ends with the
    weights of an unbroken one (on the CPU). Under `accelerate launch` every process
    calls this; the main one writes.

    Args:
        pairs: parquet file of `records.PAIRS`.
        chain: folders of the start model.
        reference: its log-probabilities; None to compute them here.
        kto_reference: KTO's mismatched ones; None to compute them here.
        recipe: resolved.
        seed: rules data order, initialisation of adapters and their dropout.
        data_seed: the dataset's seed; rules a fraction, and KTO's micro-batches.
        out: the model's folder: weights or adapter, tokenizer files,
            `history.parquet`, `manifest.json`.
        checkpoints: folder in which this training's own checkpoints lie meanwhile; not
            inside `out`.

    Raises:
        ConfigError: settings under which the method would be another one, or would
            learn nothing.
        DataError: an input is not what it should be.
        TrainingError: another process trains the same, the run is gone, a check before
            the first step failed, or the loss is not finite; nothing is written.
    """
    began = time.perf_counter()
    check_settings(recipe)
    selected = row_order.select_pairs(
        read_table(pairs, PAIRS), recipe, data_seed, pairs
    )
    tokens = checks.check_tokens(selected, pairs, chain[0])
    checks.check_vocabulary(selected, pairs, chain[0])
    rows = _rows(selected, chain, reference, kto_reference, recipe, data_seed)
    params = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "data_seed": data_seed,
        "start": weights_hash(chain),
    }
    named = {"pairs": pairs, "reference": reference, "kto_reference": kto_reference}
    inputs = {name: path for name, path in named.items() if path is not None}
    with _held(checkpoints / _key(params, inputs)) as folder:
        plan = make_plan(recipe, seed, rows.height, selected.height, folder)
        check_warmup(plan)
        trainer = _build(plan, chain, rows)
        seen = {**tokens, **_seen(trainer, plan, rows)}
        resumed = _run(trainer, folder)
        facts = {
            **manifest("train", inputs, params, LIBRARIES),
            **lineage(chain),
            **_facts(plan, selected, rows, chain),
            "checks": seen,
            "resumed": resumed,
        }
        run = run_facts(time.perf_counter() - began)
        _save(trainer, chain, recipe, facts, run, out)


def _key(params: dict[str, Any], inputs: dict[str, Path]) -> str:
    """Name the checkpoints of a training by all that its weights depend on."""
    hashes = {name: sha256_file(path) for name, path in inputs.items()}
    return sha256_json([params, hashes])[:16]


def _seen(trainer: Any, plan: Plan, rows: pl.DataFrame) -> dict[str, Any]:
    """Check the trainer before its first step; return what the checks saw."""
    first = plan.forward_rows * plan.accumulate
    return {
        **checks.check_lengths(trainer, rows),
        **checks.check_first_step(trainer, plan.recipe, first),
    }


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """Hold the checkpoint folder in the main process; the others use it with it."""
    if is_main_process():
        with lease.lease(folder):
            yield folder
    else:
        yield folder


def _rows(
    selected: pl.DataFrame,
    chain: list[Path],
    reference: Path | None,
    kto_reference: Path | None,
    recipe: Recipe,
    data_seed: int,
) -> pl.DataFrame:
    """Return the trainer's rows, with the shared reference values that were given."""
    paired = selected.drop("category")
    if recipe.method == "sft":
        return paired.drop("rejected_ids")
    if METHODS[recipe.method].reference and reference is not None:
        paired = join_reference(paired, reference, recipe, chain)
    if METHODS[recipe.method].trainer == "reward":
        return close_conversations(paired, chain[0])
    if recipe.method != "kto":
        return paired
    unpaired = row_order.unpair(selected, recipe.training.micro_batch, data_seed)
    if reference is None or kto_reference is None:
        return unpaired
    return join_kto_reference(unpaired, paired, kto_reference, recipe, data_seed, chain)


def _build(plan: Plan, chain: list[Path], rows: pl.DataFrame) -> Any:
    with loading():
        from safegrid.train.trainers import build_trainer

        tokenizer, model = load_tokenizer(chain[0]), load_model(chain)
    return build_trainer(plan, model, tokenizer, rows)


def _run(trainer: Any, folder: Path) -> bool:
    """Train, from the last whole checkpoint if there is one; tell whether it was so."""
    trainer.accelerator.wait_for_everyone()
    last = lease.last_checkpoint(folder)
    if last is not None:
        logger.info("going on from %s", last)
    began = time.perf_counter()
    before = int(last.name.rpartition("-")[2]) if last else 0
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    seconds = time.perf_counter() - began
    steps = trainer.state.global_step - before
    logger.info("%d steps in %.1f s, %.2f s a step", steps, seconds, seconds / steps)
    return last is not None


def _facts(
    plan: Plan, selected: pl.DataFrame, rows: pl.DataFrame, chain: list[Path]
) -> dict[str, Any]:
    kept = rows["pair_id"].n_unique()
    assert plan.order is not None, "a training has an order"
    return {
        "rows": kept,
        "dropped": {"no_whole_micro_batch": selected.height - kept},
        "steps": plan.steps,
        "accumulate": plan.accumulate,
        "tokens": _tokens(rows, plan.order),
        "chain": [weights_of(folder) for folder in chain],
    }


def _tokens(rows: pl.DataFrame, order: list[int]) -> int:
    """Return the tokens that the steps go through, padding not counted."""
    sides = [c for c in rows.columns if c.endswith("_ids") and c != "prompt_ids"]
    lengths = [
        (rows["prompt_ids"].list.len() + rows[side].list.len()).gather(order)
        for side in sides
    ]
    return sum(int(length.cast(pl.Int64).sum()) for length in lengths)


def _save(
    trainer: Any,
    chain: list[Path],
    recipe: Recipe,
    facts: dict[str, Any],
    run: dict[str, Any],
    out: Path,
) -> None:
    from safegrid.train.progress import history
    from safegrid.train.save import save_model

    beta = recipe.training.beta if METHODS[recipe.method].reference else None
    curve = history(trainer.state.log_history, beta)
    save_model(trainer, chain[0], recipe.training.precision, curve, facts, run, out)
