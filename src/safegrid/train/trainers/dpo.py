"""The losses over pairs with a reference, by TRL's DPOTrainer."""

from typing import Any

import polars as pl
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

from safegrid.config.methods import METHODS
from safegrid.train.plan import Plan
from safegrid.train.trainers import common

REFERENCE_COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")


class PairTrainer(common.Guarded, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer over rows that are ids already, with reference values if given."""

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
) -> PairTrainer:
    """Return the trainer of a method over pairs.

    Rows hold `pair_id`, `prompt_ids`, `chosen_ids`, `rejected_ids`, and either both
    reference columns or none: then the trainer computes them itself, once.
    """
    training = plan.recipe.training
    method = METHODS[plan.recipe.method]
    config = DPOConfig(
        **common.arguments(plan),
        router_aux_loss_coef=common.NO_BALANCING,
        loss_type=[method.loss_type],
        beta=plan.beta,
        label_smoothing=training.label_smoothing,
        max_length=None,
        disable_dropout=False,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=plan.forward_rows,
    )
    trainer = PairTrainer(
        model=common.prepare(model),
        args=config,
        data_collator=common.RowCollator(
            DataCollatorForPreference(pad_token_id=common.pad_id(tokenizer))
        ),
        train_dataset=common.to_dataset(rows.drop("pair_id")),
        processing_class=tokenizer,
        peft_config=common.lora_config(training.lora, model),
    )
    return common.finish(trainer, rows)
