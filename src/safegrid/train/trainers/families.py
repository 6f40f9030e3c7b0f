"""The families of trainers: one class and the settings of its own each."""

from typing import Any, ClassVar

import polars as pl
import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
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
from safegrid.train.trainers.shared_prompts import (
    can_share,
    share_prompts,
    with_layout,
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

    def _precompute_ref_logps(self, dataset: Dataset, *rest: Any) -> Dataset:
        # Called when the fused head is in place, and before any forward.
        model: Any = self.model
        share_prompts(model.get_base_model() if is_peft_model(model) else model)
        return super()._precompute_ref_logps(dataset, *rest)


class AnswerTrainer(Referenced, KTOTrainer):  # type: ignore[misc]
    """KTO over single answers, mismatched already (`rows.unpair`).

    TRL puts all chosen rows before all rejected ones and mismatches them there, so
    that a micro-batch holds one label only.
    """

    reference_columns = {"ref_logps", "ref_KL_logps"}
    config, collator = KTOConfig, DataCollatorForUnpairedPreference


class OrpoTrainer(PairTrainer):
    """ORPO on the pairs' trainer: no reference, and no logits of all positions.

    TRL's own is an experiment that takes the likelihood term over prompt and answer.
    The paper's is the answer's mean, per pair, which accumulation leaves unchanged.
    """

    reference_columns = set()

    def _compute_loss(self, model: Any, inputs: Example, return_outputs: bool) -> Any:
        """Return the mean of a batch of m pairs (`methods`, orpo); log its parts."""
        mask = inputs.pop("completion_mask")
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        found = model(**inputs, labels=labels, use_cache=False, fused_lm_head=True)
        means = found.log_probs.sum(1) / mask.sum(1)
        chosen, rejected = means.chunk(2)
        others = torch.log(-torch.expm1(means)).chunk(2)  # log(1 - exp l)
        odds = (chosen - others[0]) - (rejected - others[1])
        values = {
            "rewards/chosen": self.beta * chosen,
            "rewards/rejected": self.beta * rejected,
            "rewards/margins": self.beta * (chosen - rejected),
            "rewards/accuracies": (chosen > rejected).float(),
            "logps/chosen": chosen,
            "logps/rejected": rejected,
            "nll_loss": -chosen,
        }
        for name, value in values.items():
            mean = self.accelerator.gather_for_metrics(value.detach()).mean()
            self._metrics["train"][name].append(mean.item())
        return -(chosen + self.beta * logsigmoid(odds)).mean()


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
        "orpo": referenced,
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
    collator = family.collator(pad_token_id=pad_id)
    if issubclass(family, PairTrainer) and can_share(model, max(lengths(rows))):
        collator = with_layout(collator)
    dataset = Dataset(rows.drop("pair_id").with_row_index("row").to_arrow())
    trainer = family(
        model=prepare(model),
        args=family.config(**arguments(plan), **settings(plan, rows)),
        data_collator=with_rows(collator, family.convert),
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
