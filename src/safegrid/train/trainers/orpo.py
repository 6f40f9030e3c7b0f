"""ORPO, by TRL's experimental ORPOTrainer."""

from typing import Any

import polars as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.experimental.orpo.orpo_config import ORPOConfig
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.experimental.utils import DPODataCollatorWithPadding

from safegrid.train.plan import Plan
from safegrid.train.trainers import common

# Where `concatenated_forward` gives the chosen answers' mean token log-probabilities,
# and where their negative log-likelihood.
CHOSEN_LOGPS, NLL = 0, 4


class OrpoCollator(common.RowCollator):
    """Pairs of ids as the six tensors that ORPOTrainer reads."""

    def convert(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return prompt and answer joined; labels only on the answer."""
        return [
            {**_joined(example, "chosen"), **_joined(example, "rejected")}
            for example in examples
        ]


def _joined(example: dict[str, Any], side: str) -> dict[str, list[int]]:
    prompt, answer = example["prompt_ids"], example[f"{side}_ids"]
    return {
        f"{side}_input_ids": prompt + answer,
        f"{side}_attention_mask": [1] * (len(prompt) + len(answer)),
        f"{side}_labels": [-100] * len(prompt) + answer,
    }


class OrpoTrainer(common.Guarded, ORPOTrainer):  # type: ignore[misc]
    """ORPOTrainer whose likelihood term is that of the answer.

    TRL 1.16 takes it over prompt and answer and weighs it by tokens over the
    micro-batch; earlier releases did otherwise. The paper's is the answer's mean, per
    pair, which accumulation leaves unchanged.
    """

    def tokenize_row(
        self, feature: dict[str, Any], model: Any = None
    ) -> dict[str, Any]:
        """Leave a row as it is: it holds ids already."""
        return feature

    def concatenated_forward(self, model: Any, batch: dict[str, Any]) -> Any:
        """Return TRL's forward with the likelihood term of the paper."""
        found: list[Any] = list(super().concatenated_forward(model, batch))
        found[NLL] = -found[CHOSEN_LOGPS].mean()
        return tuple(found)


def build(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pl.DataFrame,
) -> OrpoTrainer:
    """Return ORPO's trainer; rows hold `pair_id` and the three columns of ids."""
    training = plan.recipe.training
    longest = rows.select(
        pl.col("prompt_ids").list.len()
        + pl.max_horizontal(
            pl.col("chosen_ids").list.len(), pl.col("rejected_ids").list.len()
        )
    ).max()
    config = ORPOConfig(
        **common.arguments(plan),
        beta=plan.beta,
        # Nothing is cut: rows are ids already; TRL wants a number all the same.
        max_length=int(longest.item()),
        disable_dropout=False,
    )
    dataset = common.to_dataset(rows.drop("pair_id"))
    trainer = OrpoTrainer(
        model=common.prepare(model),
        args=config,
        data_collator=OrpoCollator(
            DPODataCollatorWithPadding(pad_token_id=common.pad_id(tokenizer))
        ),
        # Its constructor maps every row several times to tokenize it: one is enough.
        train_dataset=dataset.select([0]),
        processing_class=tokenizer,
        peft_config=common.lora_config(training.lora, model),
    )
    trainer.train_dataset = dataset
    # Its configuration has no such setting; see NO_BALANCING.
    trainer.aux_loss_enabled = False
    return common.finish(trainer, rows)
