"""Maximum likelihood on the chosen answers, by TRL's SFTTrainer."""

from typing import Any

import polars as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from safegrid.config.methods import METHODS
from safegrid.train.plan import Plan
from safegrid.train.trainers import common


class ChosenCollator(common.RowCollator):
    """Pairs of ids as sequences whose loss falls on the chosen answer only."""

    def convert(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return prompt and chosen answer joined; labels only on the answer."""
        return [
            {
                "input_ids": example["prompt_ids"] + example["chosen_ids"],
                "labels": [-100] * len(example["prompt_ids"]) + example["chosen_ids"],
            }
            for example in examples
        ]


class ChosenTrainer(common.Guarded, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that looks at its loss."""


def build(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pl.DataFrame,
) -> ChosenTrainer:
    """Return the control's trainer; rows hold `pair_id` and the ids of one answer."""
    training = plan.recipe.training
    config = SFTConfig(
        **common.arguments(plan),
        router_aux_loss_coef=common.NO_BALANCING,
        loss_type=METHODS[plan.recipe.method].loss_type,
        max_length=None,
        packing=False,
        completion_only_loss=True,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = ChosenTrainer(
        model=common.prepare(model),
        args=config,
        data_collator=ChosenCollator(
            DataCollatorForLanguageModeling(pad_token_id=common.pad_id(tokenizer))
        ),
        train_dataset=common.to_dataset(rows.drop("pair_id")),
        processing_class=tokenizer,
        peft_config=common.lora_config(training.lora, model),
    )
    return common.finish(trainer, rows)
