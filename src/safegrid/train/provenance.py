"""Provenance of a trained model, as its manifest holds it.

Its base and its template decide the weights, so they stand with the facts that repeat.
Commit, device and seconds do not repeat: they stand in the manifest's `run` alone,
which no other file holds and no hash is made of.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.closure import ROOT
from safegrid.core.seals import check_folder
from safegrid.models.checkpoints import weights_of
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.devices import device_name
from safegrid.train.plan import Plan, world_size


def lineage(stack: list[Path]) -> dict[str, Any]:
    """Return the base that a start model goes back to, and the template it carries.

    The base's `revision` is that of its own manifest: the commit that was fetched;
    None for a miniature base, and for a folder that was put there by hand.
    """
    facts = check_folder(stack[0], names=()) or {}
    own = {"weights": weights_of(stack[0]), "revision": facts.get("revision")}
    return {
        "base": facts.get("base", own),
        "template": ChatTokenizer.load(stack[0]).template_hash,
    }


def training_facts(
    plan: Plan, selected: pl.DataFrame, rows: pl.DataFrame, stack: list[Path]
) -> dict[str, Any]:
    """Return what a training went through.

    Args:
        plan: the training.
        selected: the pairs that its recipe takes.
        rows: those that fill micro-batches, as its trainer reads them.
        stack: folders of the start model.
    """
    kept = rows["pair_id"].n_unique()
    assert plan.order is not None, "a training has an order"
    return {
        "rows": kept,
        "dropped": {"no_whole_micro_batch": selected.height - kept},
        "steps": plan.steps,
        "accumulate": plan.accumulate,
        "tokens": _tokens(rows, plan.order),
        "stack": [weights_of(folder) for folder in stack],
    }


def dose_facts(
    facts: dict[str, Any], plan: Plan, rows: pl.DataFrame, step: int
) -> dict[str, Any]:
    """Return the facts of the model after a step, by those of the end of its training.

    `training_steps` are all steps of the training, whose learning rates it had.
    """
    assert plan.order is not None, "a training has an order"
    seen = len(plan.order) // plan.steps * step
    return {
        **facts,
        "params": {**facts["params"], "checkpoint": step},
        "steps": step,
        "training_steps": plan.steps,
        "tokens": _tokens(rows, plan.order[:seen]),
    }


def _tokens(rows: pl.DataFrame, order: list[int]) -> int:
    """Return the tokens that the steps go through, padding not counted."""
    sides = [c for c in rows.columns if c.endswith("_ids") and c != "prompt_ids"]
    lengths = [
        (rows["prompt_ids"].list.len() + rows[side].list.len()).gather(order)
        for side in sides
    ]
    return sum(int(length.cast(pl.Int64).sum()) for length in lengths)


def run_facts(seconds: float) -> dict[str, Any]:
    """Return what differs from one run of the same training to the next."""
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
