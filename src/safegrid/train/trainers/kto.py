"""KTO over single answers, by TRL's KTOTrainer."""

from typing import Any

import polars as pl
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

from safegrid.config.methods import METHODS
from safegrid.train.plan import Plan
from safegrid.train.trainers import common

REFERENCE_COLUMNS = ("ref_logps", "ref_KL_logps")


class AnswerTrainer(common.Guarded, KTOTrainer):  # type: ignore[misc]
    """KTOTrainer over rows that are ids and mismatched already.

    TRL puts all chosen rows before all rejected ones and mismatches them there, so
    that a micro-batch holds one label only; ours come from `rows.unpair`.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *rest: Any) -> Dataset:
        if set(REFERENCE_COLUMNS) <= set(dataset.column_names):
            return dataset
        return super()._precompute_ref_logps(dataset, *rest)


def build(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pl.DataFrame,
) -> AnswerTrainer:
    """Return KTO's trainer.

    Rows are those of `rows.unpair`, and hold either both reference columns or none:
    then the trainer computes them itself, once.
    """
    training = plan.recipe.training
    config = KTOConfig(
        **common.arguments(plan),
        router_aux_loss_coef=common.NO_BALANCING,
        loss_type=METHODS[plan.recipe.method].loss_type,
        beta=plan.beta,
        desirable_weight=1.0,
        undesirable_weight=1.0,
        max_length=None,
        disable_dropout=False,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=plan.forward_rows,
    )
    trainer = AnswerTrainer(
        model=common.prepare(model),
        args=config,
        data_collator=common.RowCollator(
            DataCollatorForUnpairedPreference(pad_token_id=common.pad_id(tokenizer))
        ),
        train_dataset=common.to_dataset(rows.drop("pair_id")),
        processing_class=tokenizer,
        peft_config=common.lora_config(training.lora, model),
    )
    return common.finish(trainer, rows)
