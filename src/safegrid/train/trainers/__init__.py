"""TRL's trainers, fed with ids and an order that were fixed before.

One module a family of trainer, imported only when it is needed: importing all of TRL
costs seconds. Each has `build(plan, model, tokenizer, rows)`.
"""

import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from safegrid.checkpoints import loading
from safegrid.methods import METHODS, Trainer
from safegrid.train.plan import Plan

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


# Read once, while the libraries are imported: trainers never ask a hub, report nothing,
# and need no reminder that ORPO's trainer is called experimental.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# TRL asks models by a name that transformers has just renamed.
warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
if not sys.stderr.isatty():
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def build_trainer(
    plan: Plan,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: pl.DataFrame,
) -> Any:
    """Return the trainer of a recipe's method, ready to `train()`.

    Args:
        plan: the recipe and everything that was derived from it.
        model: the start model; it is trained in place.
        tokenizer: only its padding token is used; nothing is tokenized again.
        rows: ids, and reference columns where they were computed before.
    """
    with loading():
        build = _builder(METHODS[plan.recipe.method].trainer)
    trainer = build(plan, model, tokenizer, rows)
    if plan.order is not None:
        trainer.train_dataset = trainer.train_dataset.select(plan.order)
    return trainer


def _builder(family: Trainer) -> Callable[..., Any]:
    if family == "dpo":
        from safegrid.train.trainers import dpo

        return dpo.build
    if family == "kto":
        from safegrid.train.trainers import kto

        return kto.build
    if family == "orpo":
        from safegrid.train.trainers import orpo

        return orpo.build
    if family == "reward":
        from safegrid.train.trainers import reward

        return reward.build
    from safegrid.train.trainers import sft

    return sft.build
