"""Bradley-Terry reward models, by TRL's RewardTrainer."""

from typing import Any

import polars as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer

from safegrid.models.score_head import head_modules, score_config, with_score_head
from safegrid.train.plan import Plan
from safegrid.train.trainers import common


class WholeCollator(common.RowCollator):
    """Pairs of ids as two whole conversations each."""

    def convert(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the prompt joined to each answer."""
        return [
            {
                f"{side}_ids": example["prompt_ids"] + example[f"{side}_ids"]
                for side in ("chosen", "rejected")
            }
            for example in examples
        ]


class PreferenceTrainer(common.Guarded, RewardTrainer):  # type: ignore[misc]
    """RewardTrainer that looks at its loss."""


def build(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pl.DataFrame,
) -> PreferenceTrainer:
    """Return a reward model's trainer; its head's first values are the run's seed's.

    Args:
        plan: the run.
        model: a language model, whose body is trained with a head of one output.
        tokenizer: only its padding token is used.
        rows: `pair_id`, and the ids of the prompt and of both answers to their ends.
    """
    training = plan.recipe.training
    pad_id = common.pad_id(tokenizer)
    scorer = with_score_head(model, score_config(model, pad_id), plan.seed)
    config = RewardConfig(
        **common.arguments(plan),
        max_length=None,
        disable_dropout=False,
        center_rewards_coefficient=None,
    )
    trainer = PreferenceTrainer(
        model=common.prepare(scorer),
        args=config,
        data_collator=WholeCollator(DataCollatorForPreference(pad_token_id=pad_id)),
        train_dataset=common.to_dataset(rows.drop("pair_id")),
        processing_class=tokenizer,
        peft_config=common.lora_config(training.lora, scorer, head_modules(scorer)),
    )
    return common.finish(trainer, rows)
