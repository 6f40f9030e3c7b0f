"""The families of trainers: one class and the settings of its own each."""

from typing import Any, ClassVar

import polars as pl
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl.experimental.orpo.orpo_config import ORPOConfig
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.experimental.utils import DPODataCollatorWithPadding
from trl.trainer import dpo_trainer, reward_trainer
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from safegrid.config.methods import METHODS, Trainer
from safegrid.models.checkpoints import head_modules, score_config, with_score_head
from safegrid.train.plan import Plan
from safegrid.train.rows import lengths
from safegrid.train.save import Watch
from safegrid.train.trainers.common import (
    Example,
    Guarded,
    arguments,
    lora_config,
    prepare,
    with_rows,
)


class Referenced(Guarded):
    """Mixed into a trainer: rows are ids, with reference values if given.

    Without them the trainer computes them itself, once.
    """

    reference_columns: ClassVar[set[str]]

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *rest: Any) -> Dataset:
        if self.reference_columns <= set(dataset.column_names):
            return dataset
        return super()._precompute_ref_logps(dataset, *rest)  # type: ignore[misc]


class PairTrainer(Referenced, DPOTrainer):  # type: ignore[misc]
    """The losses over pairs with a reference, by TRL's DPOTrainer."""

    reference_columns = {"ref_chosen_logps", "ref_rejected_logps"}
    config, collator = DPOConfig, dpo_trainer.DataCollatorForPreference


class AnswerTrainer(Referenced, KTOTrainer):  # type: ignore[misc]
    """KTO over single answers, mismatched already (`rows.unpair`).

    TRL puts all chosen rows before all rejected ones and mismatches them there, so
    that a micro-batch holds one label only.
    """

    reference_columns = {"ref_logps", "ref_KL_logps"}
    config, collator = KTOConfig, DataCollatorForUnpairedPreference


class OrpoTrainer(Guarded, ORPOTrainer):  # type: ignore[misc]
    """ORPO, whose likelihood term is that of the answer.

    TRL 1.16 takes it over prompt and answer and weighs it by tokens over the
    micro-batch; earlier releases did otherwise. The paper's is the answer's mean, per
    pair, which accumulation leaves unchanged.
    """

    config, collator = ORPOConfig, DPODataCollatorWithPadding
    # Where `concatenated_forward` gives the chosen answers' mean token
    # log-probabilities, and where their negative log-likelihood.
    chosen_logps, nll = 0, 4

    def __init__(self, train_dataset: Dataset, **settings: Any) -> None:
        # TRL maps every row several times to tokenize it: one is enough.
        super().__init__(train_dataset=train_dataset.select([0]), **settings)
        self.train_dataset = train_dataset
        # Its configuration has no such setting; see `settings`.
        self.aux_loss_enabled = False

    @staticmethod
    def convert(example: Example) -> Example:
        """Return the six columns of a pair, with labels on the answers only."""
        prompt, found = example["prompt_ids"], {}
        for side in ("chosen", "rejected"):
            answer = example[f"{side}_ids"]
            found[f"{side}_input_ids"] = prompt + answer
            found[f"{side}_attention_mask"] = [1] * (len(prompt) + len(answer))
            found[f"{side}_labels"] = [-100] * len(prompt) + answer
        return found

    def tokenize_row(self, feature: Example, model: Any = None) -> Example:
        """Leave a row as it is: it holds ids already."""
        return feature

    def concatenated_forward(self, model: Any, batch: dict[str, Any]) -> Any:
        """Return TRL's forward with the likelihood term of the paper."""
        found: list[Any] = list(super().concatenated_forward(model, batch))
        found[self.nll] = -found[self.chosen_logps].mean()
        return tuple(found)


class ChosenTrainer(Guarded, SFTTrainer):  # type: ignore[misc]
    """Maximum likelihood on the chosen answers."""

    config, collator = SFTConfig, DataCollatorForLanguageModeling

    @staticmethod
    def convert(example: Example) -> Example:
        """Return prompt and chosen answer joined; labels only on the answer."""
        prompt, answer = example["prompt_ids"], example["chosen_ids"]
        return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


class PreferenceTrainer(Guarded, RewardTrainer):  # type: ignore[misc]
    """Bradley-Terry reward models: a body with a head of one output."""

    config, collator = RewardConfig, reward_trainer.DataCollatorForPreference

    @staticmethod
    def convert(example: Example) -> Example:
        """Return the prompt joined to each answer: two whole conversations."""
        sides = ("chosen_ids", "rejected_ids")
        return {side: example["prompt_ids"] + example[side] for side in sides}


FAMILIES: dict[Trainer, Any] = {
    "dpo": PairTrainer,
    "kto": AnswerTrainer,
    "orpo": OrpoTrainer,
    "reward": PreferenceTrainer,
    "sft": ChosenTrainer,
}


def settings(plan: Plan, rows: pl.DataFrame) -> dict[str, Any]:
    """Return what the config of a method's family takes beside `arguments`."""
    training, method = plan.recipe.training, METHODS[plan.recipe.method]
    # TRL adds a mixture of experts' balancing loss to every method's own by itself; the
    # formula that a method's name stands for has none.
    plain = {"router_aux_loss_coef": 0.0, "max_length": None}
    loss, beta = {"loss_type": method.loss_type}, {"beta": training.beta}
    own_dropout = {"disable_dropout": False}
    referenced = {
        **plain | beta | own_dropout,
        "precompute_ref_log_probs": True,
        "precompute_ref_batch_size": plan.forward_rows,
    }
    own: dict[Trainer, dict[str, Any]] = {
        "dpo": {
            **referenced,
            "loss_type": [method.loss_type],
            "label_smoothing": training.label_smoothing,
        },
        "kto": {
            **referenced | loss,
            "desirable_weight": 1.0,
            "undesirable_weight": 1.0,
        },
        "orpo": {**beta | own_dropout, "max_length": max(lengths(rows))},
        "sft": {
            **plain | loss,
            "packing": False,
            "completion_only_loss": True,
            "dataset_kwargs": {"skip_prepare_dataset": True},
        },
        "reward": {
            **own_dropout,
            "max_length": None,
            "center_rewards_coefficient": None,
        },
    }
    return own[method.trainer]


def build_trainer(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: pl.DataFrame,
) -> Any:
    """Return the trainer of a recipe's method, ready to `train()`.

    The start model is trained in place; a reward model takes its body. Of the tokenizer
    the padding token is used. Rows hold `pair_id`, ids, and reference columns where
    they were computed before.
    """
    method = METHODS[plan.recipe.method]
    family = FAMILIES[method.trainer]
    # Masks are made from lengths, never from this id.
    pad_id = tokenizer.pad_token_id
    pad_id = int(tokenizer.eos_token_id if pad_id is None else pad_id)
    head = None
    if method.trainer == "reward":
        model = with_score_head(model, score_config(model, pad_id), plan.seed)
        head = head_modules(model)
    dataset = Dataset(rows.drop("pair_id").with_row_index("row").to_arrow())
    trainer = family(
        model=prepare(model),
        args=family.config(**arguments(plan), **settings(plan, rows)),
        data_collator=with_rows(family.collator(pad_token_id=pad_id), family.convert),
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=lora_config(plan.recipe.training.lora, model, head),
    )
    trainer.pair_ids = rows["pair_id"].to_list()
    trainer.step_rows = []
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watch())
    trainer.train_dataset = trainer.train_dataset.select(plan.order)
    return trainer
