"""Train one model by one recipe."""

import logging
import os
import subprocess
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import (
    atomic_directory,
    manifest,
    sha256_file,
    sha256_json,
)
from safegrid.core.closure import ROOT
from safegrid.core.seals import check_folder
from safegrid.models.checkpoints import load_model, loading, weights_hash, weights_of
from safegrid.models.pretrained import load_tokenizer
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.devices import device_name
from safegrid.train import checks
from safegrid.train.checks import checked_pairs
from safegrid.train.lease import lease
from safegrid.train.plan import (
    Plan,
    check_settings,
    check_steps,
    count_tokens,
    is_main_process,
    make_plan,
    training_facts,
    world_size,
)
from safegrid.train.rows import join_kto_reference, join_reference, unpair
from safegrid.train.tokenize import close_conversations

logger = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


def train(
    pairs: Path,
    stack: list[Path],
    reference: Path | None,
    kto_reference: Path | None,
    recipe: Recipe,
    seed: int,
    data_seed: int,
    out: list[Path],
    checkpoints: Path,
) -> None:
    """Train a model and write its folder, and those of its doses.

    A training that was killed goes on from its last whole checkpoint and ends with the
    weights of an unbroken one (on the CPU). Under `accelerate launch` every process
    calls this; the main one writes.

    Args:
        pairs: parquet file of `records.PAIRS`.
        stack: folders of the start model.
        reference: its log-probabilities; None to compute them here.
        kto_reference: KTO's mismatched ones; None to compute them here.
        recipe: resolved.
        seed: rules data order, initialisation of adapters and their dropout.
        data_seed: the dataset's seed; rules a fraction, and KTO's micro-batches.
        out: the model's folder, then those of its doses (`.../{recipe}@{step}/seed0`):
            weights or adapter, tokenizer files, `history.parquet`, `manifest.json`.
        checkpoints: folder of this training's own checkpoints; not inside `out`.

    Raises:
        ConfigError: the settings make another method, or learn nothing; a dose at or
            beyond the last step.
        DataError: an input is not what it should be.
        TrainingError: another process trains the same, the run is gone, a check before
            the first step failed, or the loss is not finite; nothing is written.
    """
    began = time.perf_counter()
    check_settings(recipe)
    selected, seen = checked_pairs(pairs, recipe, data_seed, stack[0])
    rows = _rows(selected, stack, reference, kto_reference, recipe, data_seed)
    seeds = {"seed": seed, "data_seed": data_seed, "start": weights_hash(stack)}
    params = {"recipe": recipe.model_dump(mode="json"), **seeds}
    given = {"pairs": pairs, "reference": reference, "kto_reference": kto_reference}
    inputs = {name: path for name, path in given.items() if path is not None}
    end, *doses = out
    steps = {int(path.parent.name.rpartition("@")[2]): path for path in doses}
    folder = checkpoints / _key(params, inputs, list(steps))
    with lease(folder) if is_main_process() else nullcontext():
        plan = make_plan(recipe, seed, rows, selected.height, folder)
        check_steps(plan, steps)
        trainer = _build(plan, stack, rows, steps)
        seen |= checks.check_lengths(trainer, rows)
        seen |= checks.check_first_step(trainer, plan)
        resumed = _run(trainer, folder)
        facts = manifest("train", inputs, params, LIBRARIES) | lineage(stack)
        facts |= training_facts(plan, selected, rows, stack)
        facts |= {"checks": seen, "resumed": resumed}
        run = run_facts(time.perf_counter() - began)
        _save(trainer, plan, rows, stack[0], facts, run, end, steps)


def _key(params: dict[str, Any], inputs: dict[str, Path], doses: list[int]) -> str:
    """Name the checkpoints of a training by all that it leaves depends on."""
    hashes = {name: sha256_file(path) for name, path in inputs.items()}
    return sha256_json([params, hashes, *([doses] if doses else [])])[:16]


def _rows(
    selected: pl.DataFrame,
    stack: list[Path],
    reference: Path | None,
    kto_reference: Path | None,
    recipe: Recipe,
    data_seed: int,
) -> pl.DataFrame:
    """Return the trainer's rows, with the shared reference values that were given."""
    rows = selected.drop("category")
    if recipe.method == "sft":
        return rows.drop("rejected_ids")
    if recipe.method == "reward":
        return close_conversations(rows, stack[0])
    kto = recipe.method == "kto"
    # KTO's trainer takes both kinds of values or computes both.
    wanted = METHODS[recipe.method].reference and not (kto and kto_reference is None)
    if wanted and reference is not None:
        rows = join_reference(rows, reference, recipe, stack)
    if not kto:
        return rows
    rows = unpair(rows, recipe.training.per_device_train_batch_size, data_seed)
    if reference is None or kto_reference is None:
        return rows
    return join_kto_reference(rows, kto_reference, recipe, data_seed, stack)


def _build(
    plan: Plan, stack: list[Path], rows: pl.DataFrame, doses: Iterable[int]
) -> Any:
    with loading():
        from safegrid.train.save import Keeper
        from safegrid.train.trainers.families import build_trainer

        tokenizer, model = load_tokenizer(stack[0]), load_model(stack)
    trainer = build_trainer(plan, model, tokenizer, rows)
    precision = plan.recipe.training.precision
    trainer.add_callback(Keeper(trainer, precision, plan.folder, doses))
    return trainer


def _run(trainer: Any, folder: Path) -> bool:
    """Train, from the last checkpoint if there is one; tell whether it was so.

    The lease has removed those that are not whole.
    """
    from transformers.trainer_utils import get_last_checkpoint

    trainer.accelerator.wait_for_everyone()
    last = get_last_checkpoint(str(folder))  # type: ignore[no-untyped-call]
    if last is not None:
        logger.info("going on from %s", last)
    began = time.perf_counter()
    trainer.train(resume_from_checkpoint=last)
    seconds = time.perf_counter() - began
    before = int(last.rpartition("-")[2]) if last else 0
    steps = trainer.state.global_step - before
    logger.info("%d steps in %.1f s, %.2f s a step", steps, seconds, seconds / steps)
    return last is not None


def _save(
    trainer: Any,
    plan: Plan,
    rows: pl.DataFrame,
    start: Path,
    facts: dict[str, Any],
    run: dict[str, Any],
    end: Path,
    doses: dict[int, Path],
) -> None:
    """Write the folders of the doses, then that of the model at the end.

    Every process calls this, because shards are gathered; the main one writes.
    """
    from safegrid.train import save

    weights = save.gather_weights(trainer)
    if not is_main_process():
        return
    beta = plan.recipe.training.beta if METHODS[plan.recipe.method].reference else None
    curve = save.history(trainer.state.log_history, beta)
    for step, path in doses.items():
        with atomic_directory(path) as folder:
            save.take(save.kept(plan.folder, step), folder)
            own = {
                **facts,
                "params": {**facts["params"], "checkpoint": step},
                "steps": step,
                # All of them: they ruled the learning rates that it had.
                "training_steps": plan.steps,
                "tokens": count_tokens(plan, rows, step),
            }
            save.complete(folder, start, curve.filter(pl.col("step") <= step), own)
    with atomic_directory(end) as folder:
        save.write_weights(trainer, weights, plan.recipe.training.precision, folder)
        save.complete(folder, start, curve, facts, run=run)
    logger.info("%s: trained %d steps", end, plan.steps)


def lineage(stack: list[Path]) -> dict[str, Any]:
    """Return the base that a start model goes back to, and the template it carries.

    The base's `revision` is the commit that was fetched; None for a miniature base, and
    for a folder that was put there by hand.
    """
    facts = check_folder(stack[0], names=()) or {}
    own = {"weights": weights_of(stack[0]), "revision": facts.get("revision")}
    return {
        "base": facts.get("base", own),
        "template": ChatTokenizer.load(stack[0]).template_hash,
    }


def run_facts(seconds: float) -> dict[str, Any]:
    """Return what differs from run to run; no hash holds it."""
    return {
        "git": git_state(ROOT),
        "device": device_name(os.environ.get("OMP_NUM_THREADS", "all")),
        "processes": world_size(),
        "seconds": round(seconds, 1),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the code, and whether a tracked file was changed since.

    None where the code is no git checkout, or there is no git.
    """
    command = ["git", "--no-optional-locks", "-C", str(folder), "describe"]
    command += ["--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    commit, _, dirty = done.stdout.strip().partition("-")
    return {"commit": commit, "dirty": bool(dirty)}
