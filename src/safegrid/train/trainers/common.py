"""Settings that all trainers share, their collator, and the guard at every step."""

import copy
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel
from trl.trainer import utils as trl_utils

from safegrid.config.training import Lora
from safegrid.core.errors import TrainingError
from safegrid.models.adapters import check_targets
from safegrid.train.plan import Plan, world_size

Example = dict[str, Any]


# TRL's fused head projects answers' positions only where it runs on Triton, and all
# positions elsewhere, to spare compilers a change of shapes. Nothing is compiled here,
# and half of a pair is prompt: the same values in 4/5 of a step's time on a CPU.
trl_utils._use_triton = lambda device: True  # type: ignore[attr-defined]


def arguments(plan: Plan) -> dict[str, Any]:
    """Return the settings that every TRL config takes, none left to a default.

    TRL's own defaults switch on bfloat16 and gradient checkpointing, cut sequences at
    1024 tokens and hide non-finite losses in the log.
    """
    training = plan.recipe.training
    cuda = torch.cuda.is_available()
    checkpointing = training.gradient_checkpointing
    spared = {"use_reentrant": False} if checkpointing else None
    return {
        "output_dir": str(plan.folder),
        "max_steps": plan.steps,
        "per_device_train_batch_size": plan.forward_rows,
        "gradient_accumulation_steps": plan.accumulate,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": training.lr_scheduler_type,
        "warmup_steps": math.ceil(training.warmup_ratio * plan.steps),
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "optim": "adamw_torch_fused",
        "bf16": training.precision == "bfloat16",
        "fp16": False,
        "activation_checkpointing": checkpointing,
        "activation_checkpointing_kwargs": spared,
        "seed": plan.seed,
        "data_seed": plan.seed,
        "train_sampling_strategy": "sequential",
        "remove_unused_columns": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": cuda,
        "use_cpu": not cuda,
        "ddp_backend": "gloo" if world_size() > 1 and not cuda else None,
        "ddp_find_unused_parameters": False,
        "logging_strategy": "steps",
        "logging_steps": training.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if plan.save_steps else "no",
        "save_steps": plan.save_steps or plan.steps,
        # The one before the last stays until the last is marked as whole.
        "save_total_limit": 2,
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
    }


def lora_config(
    lora: Lora | None, model: PreTrainedModel, head: list[str] | None = None
) -> Any:
    """Return peft's settings of a fresh adapter, or None for full fine-tuning.

    `head` names modules of a sequence classifier that are trained whole beside it.

    Raises:
        TrainingError: the adapter's dropout is one that peft cannot do in this model,
            or `check_targets` refuses a module that it names.
    """
    if lora is None:
        return None
    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import (
        convert_peft_config_for_transformers as rename_experts,
    )

    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=lora.target_modules,
        bias="none",
        task_type="SEQ_CLS" if head else "CAUSAL_LM",
        modules_to_save=head,
    )
    renamed = copy.deepcopy(config)
    try:
        rename_experts(renamed, model, None)
    except ValueError as error:  # of two that stand in one tensor, one is named
        named = f"lora.target_modules {lora.target_modules}"
        raise TrainingError(f"{named}: {error}") from None
    everywhere = lora.target_modules == "all-linear"
    experts = any(weight.dim() == 3 for weight in model.parameters())
    if lora.lora_dropout and experts and (everywhere or renamed.target_parameters):
        raise TrainingError(
            f"lora.lora_dropout {lora.lora_dropout:g}: this model keeps all experts of"
            " a layer in one tensor, before which peft cannot drop out; set it to 0, or"
            " name the modules of the attention alone as lora.target_modules"
        )
    if not everywhere:
        check_targets(model, renamed)
    return config


def prepare(model: PreTrainedModel) -> PreTrainedModel:
    """Switch off a model's own dropout, and let the embedding of every token learn.

    An adapter that comes later keeps its dropout. TRL's `disable_dropout` comes after
    the adapter and would silence what a recipe asked for with `lora.lora_dropout`.

    torch gives an embedding's `padding_idx` no gradient. What fills batches up can be a
    token of every text (SmolLM2: the end of a turn); masks keep the fillings out.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    embedding: Any = model.get_input_embeddings()
    embedding.padding_idx = None
    return model


def with_rows(
    collator: Callable[[list[Example]], Example], convert: Callable[[Example], Example]
) -> Callable[[list[Example]], Example]:
    """Return a collator of converted rows with their numbers, `(rows,)`, as `row`."""

    def collate(examples: list[Example]) -> Example:
        batch = collator([convert(example) for example in examples])
        return {**batch, "row": torch.tensor([example["row"] for example in examples])}

    return collate


class Guarded:
    """Mixed into a trainer: a NaN or infinite loss or gradient ends the training.

    Attributes:
        pair_ids: of the rows, by row number.
        step_rows: row numbers that this process has seen since the last step.
    """

    pair_ids: list[str]
    step_rows: list[int]

    @staticmethod
    def convert(example: Example) -> Example:
        """Bring a row into the form that the trainer's collator reads."""
        return example

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Compute the trainer's own loss and look at it."""
        self.step_rows += inputs.pop("row").tolist()
        loss = super().compute_loss(  # type: ignore[misc]
            model, inputs, return_outputs, num_items_in_batch
        )
        value = loss[0] if return_outputs else loss
        self._require_finite("loss", value.detach())
        return loss

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        """Look at the gradient's norm, before the optimiser uses the gradient."""
        norm = super()._get_grad_norm(*args, **kwargs)  # type: ignore[misc]
        self._require_finite("gradient's norm", torch.as_tensor(norm))
        self.step_rows.clear()
        return norm

    def floating_point_ops(self, inputs: dict[str, Any]) -> float:
        """Skip an estimate that nobody reads."""
        return 0.0

    def _require_finite(self, what: str, value: torch.Tensor) -> None:
        if bool(torch.isfinite(value)):
            return
        step = self.state.global_step + 1  # type: ignore[attr-defined]
        pairs = sorted({self.pair_ids[number] for number in self.step_rows})
        raise TrainingError(
            f"the {what} of step {step} is {float(value)}; the step has seen the pairs"
            f" {', '.join(pairs)}. Lower the learning rate, or look at these pairs;"
            " nothing was written"
        )
