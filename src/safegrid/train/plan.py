"""From a recipe to steps, micro-batches and the order of rows, or a refusal."""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.methods import METHODS, check_method
from safegrid.config.training import Recipe, beyond
from safegrid.core.errors import ConfigError
from safegrid.models.checkpoints import weights_of
from safegrid.train.rows import positions, side_lengths, sort_steps, stream


@dataclass(frozen=True)
class Plan:
    """A training run, resolved.

    Attributes:
        steps: optimiser's steps.
        forward_rows: rows that one forward takes (KTO: two for each pair).
        accumulate: forwards a step, in each process.
        order: row numbers as the steps take them.
        folder: where checkpoints go.
        save_steps: steps between checkpoints; 0 for none.
    """

    recipe: Recipe
    seed: int
    steps: int
    forward_rows: int
    accumulate: int
    order: Sequence[int]
    folder: Path
    save_steps: int


def make_plan(
    recipe: Recipe, seed: int, rows: pl.DataFrame, n_pairs: int, folder: Path
) -> Plan:
    """Derive steps, micro-batches and the order of rows from a recipe.

    `rows` are the trainer's: pairs, or KTO's single answers; `n_pairs` those behind
    them.
    """
    training = recipe.training
    steps = training.count_steps(n_pairs)
    size = training.per_device_train_batch_size
    micro_batches = steps * (training.batch // size)
    accumulate = training.batch // (size * training.processes)
    if recipe.method == "kto":
        # A micro-batch of `unpair` stays whole: its rows are each other's mismatches.
        size *= 2
        blocks = stream(rows.height // size, micro_batches, seed)
        order = [block * size + place for block in blocks for place in range(size)]
    else:
        order = stream(rows.height, micro_batches * size, seed)
    if accumulate > 1 and not METHODS[recipe.method].across:
        order = sort_steps(order, positions(rows), training.batch)
    # The curve's means are taken from one line of the log to the next, so a
    # checkpoint stands on a logged step: else the curve would differ after it.
    logged = training.logging_steps
    save_steps = -(-training.save_steps // logged) * logged
    save_steps = save_steps if save_steps < steps else 0
    return Plan(recipe, seed, steps, size, accumulate, order, folder, save_steps)


def check_settings(recipe: Recipe) -> None:
    """Refuse a training that cannot start as its recipe says."""
    problems = list(check_method(recipe))
    wanted, started = recipe.training.processes, world_size()
    if wanted != started:
        problems.append(
            f"asks for {wanted} processes and {started} are at work; start it under"
            f" `accelerate launch --num_processes {wanted}`"
        )
    if recipe.training.accelerate == "deepspeed" and not find_spec("deepspeed"):
        problems.append(
            "accelerate 'deepspeed' needs the package deepspeed, which this environment"
            " lacks; install it there, or take 'fsdp'"
        )
    if problems:
        raise ConfigError(f"recipe {recipe.name}: " + "; ".join(problems))


def check_steps(plan: Plan, doses: Collection[int]) -> None:
    """Refuse a training that learns nothing, or doses that it does not come to.

    Where a recipe counts epochs, nobody knows its steps before its rows are there.
    """
    problems = beyond(doses, plan.steps)
    warmup = plan.recipe.training.warmup_ratio
    if math.ceil(warmup * plan.steps) >= plan.steps:
        problems.append(
            f"with `warmup_ratio: {warmup:g}` its {plan.steps} steps are all warm-up;"
            " give it more steps or epochs, or `warmup_ratio: 0`"
        )
    if plan.steps in doses:
        problems.append(
            f"`checkpoints` names step {plan.steps}, which is the end of the training,"
            f" whose model is {plan.recipe.name!r} itself; remove it"
        )
    if problems:
        raise ConfigError(f"recipe {plan.recipe.name}: " + "; ".join(problems))


def training_facts(
    plan: Plan, selected: pl.DataFrame, rows: pl.DataFrame, stack: list[Path]
) -> dict[str, Any]:
    """Return what a training from a start model went through.

    `selected` are its recipe's pairs, `rows` those of them that fill micro-batches.
    """
    kept = rows["pair_id"].n_unique()
    return {
        "rows": kept,
        "dropped": {"no_whole_micro_batch": selected.height - kept},
        "steps": plan.steps,
        "accumulate": plan.accumulate,
        "tokens": count_tokens(plan, rows, plan.steps),
        "stack": [weights_of(folder) for folder in stack],
    }


def count_tokens(plan: Plan, rows: pl.DataFrame, steps: int) -> int:
    """Return the tokens that so many steps go through, padding not counted."""
    seen = plan.order[: len(plan.order) // plan.steps * steps]
    return int(side_lengths(rows)[seen].sum().sum_horizontal().item())


def world_size() -> int:
    """Return the number of processes that `accelerate launch` or torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0
