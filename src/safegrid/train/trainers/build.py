"""The trainer of a recipe's method."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from safegrid.config.methods import METHODS, Trainer
from safegrid.models.checkpoints import loading
from safegrid.train.plan import Plan

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
