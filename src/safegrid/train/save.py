"""A trained model's folder: weights or adapter, tokenizer, curve; the manifest last.

A training may keep models (doses) on its way to the last step. Their weights are
written when their step ends, into the folder of the training's own checkpoints, and
become folders of models when the training is over. So a training that was killed finds
those that it has passed; a checkpoint of a later step is written after them.
"""

import copy
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback

from safegrid.core.artifacts import (
    MANIFEST,
    atomic_directory,
    read_object,
    write_json,
    write_result,
    write_table,
)
from safegrid.core.errors import TrainingError
from safegrid.core.records import HISTORY
from safegrid.models.checkpoints import Dtype, folder_facts
from safegrid.models.pretrained import ADAPTER
from safegrid.models.tokenizer_files import tokenizer_files
from safegrid.train.lease import WHOLE

logger = logging.getLogger(__name__)

CURVE = "history.parquet"
# TRL's and transformers' names to ours. Rewards are beta times a log-ratio.
METRICS = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "logps/chosen": "chosen_logp",
    "logps/rejected": "rejected_logp",
    "kl": "kl",
    "entropy": "entropy",
    "nll_loss": "nll",
    "mean_token_accuracy": "token_accuracy",
    # A reward model's: its own outputs, no log-ratios.
    "accuracy": "accuracy",
    "margin": "margin",
    "mean_reward": "mean_reward",
}


class Watch(TrainerCallback):
    """Logs a line now and then, and marks checkpoints as whole."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Skip the last step's checkpoint: the model itself is about to be saved."""
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark a checkpoint as whole, once every process has written its part."""
        from accelerate import PartialState

        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / WHOLE).touch()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write a line to the log."""
        logs = kwargs["logs"]
        if "loss" in logs and state.is_world_process_zero:
            logger.info(
                "step %d of %d: loss %.4f, gradient norm %.3g",
                state.global_step,
                state.max_steps,
                logs["loss"],
                logs["grad_norm"],
            )


class Keeper(TrainerCallback):
    """Writes the weights of each dose when its step ends, unless they are there."""

    def __init__(
        self, trainer: Any, dtype: Dtype, folder: Path, steps: Iterable[int]
    ) -> None:
        self._steps = {step for step in steps if not kept(folder, step).is_dir()}
        self._trainer, self._dtype, self._folder = trainer, dtype, folder

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the weights of a dose; every process gathers, the main one writes."""
        if state.global_step not in self._steps:
            return
        weights = gather_weights(self._trainer)
        if state.is_world_process_zero:
            with atomic_directory(kept(self._folder, state.global_step)) as folder:
                write_weights(self._trainer, weights, self._dtype, folder)


def kept(folder: Path, step: int) -> Path:
    """Return where a training keeps the weights of a dose in its own folder."""
    return folder / f"dose-{step}"


def take(source: Path, folder: Path) -> None:
    """Put kept weights into another folder; a kill in between costs nothing.

    The copy takes no room where both folders lie on one disk.
    """
    try:
        shutil.copytree(source, folder, copy_function=os.link, dirs_exist_ok=True)
    except shutil.Error:  # another disk, or one that knows no links
        shutil.copytree(source, folder, dirs_exist_ok=True)


def gather_weights(trainer: Any) -> dict[str, Any]:
    """Return the weights of a model in training, as they stand now; refuse a NaN.

    Every process calls this, because shards are gathered; the main one has them all.
    """
    import torch

    state: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.accelerator.is_main_process:
        for name, tensor in state.items():
            if not bool(torch.isfinite(tensor).all()):
                raise TrainingError(
                    f"after step {trainer.state.global_step} weight {name} is not"
                    " finite. Lower the learning rate; nothing was written"
                )
    return state


def write_weights(
    trainer: Any, state: dict[str, Any], dtype: Dtype, folder: Path
) -> None:
    """Write gathered weights: those of an adapter where one is trained, else all.

    The model itself is left as it is, so that it can be trained on. `dtype` is that of
    full weights on disk; an adapter stays in float32.
    """
    import torch

    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "peft_config"):
        _write_adapter(model, state, folder)
        return
    state = {name: tensor.to(getattr(torch, dtype)) for name, tensor in state.items()}
    model.save_pretrained(folder, state_dict=state)
    # It names the type that the model is trained in, and is to name that on disk.
    config = copy.deepcopy(model.config)
    config.dtype = dtype
    config.save_pretrained(folder)


def _write_adapter(model: Any, state: dict[str, Any], folder: Path) -> None:
    model.save_pretrained(folder, state_dict=state)
    # peft writes a card, and where the start model lay on this machine; the adapter
    # belongs to a stack of folders that the manifest names by their hashes.
    (folder / "README.md").unlink(missing_ok=True)
    shape = {**read_object(folder / ADAPTER), "base_model_name_or_path": None}
    if isinstance(shape["target_modules"], list):
        # A set in peft, so written in another order by each process.
        shape["target_modules"].sort()
    write_json(folder / ADAPTER, shape)
    if shape["modules_to_save"]:
        # It brings a head: what the start model becomes by it, see `checkpoints`.
        model.config.save_pretrained(folder)


def history(log_history: list[dict[str, Any]], beta: float | None) -> pl.DataFrame:
    """Return the training curve as rows of `records.HISTORY`: step, metric, value.

    Values are means over the steps since the line before, `grad_norm` and
    `learning_rate` those of the step itself. Without `beta`, rewards are no log-ratios.
    """
    rows = []
    for line in log_history:
        if "loss" not in line:
            continue
        named = {METRICS[key]: line[key] for key in METRICS if key in line}
        for side in ("chosen", "rejected"):
            if beta is not None and f"{side}_reward" in named:
                named[f"{side}_log_ratio"] = named[f"{side}_reward"] / beta
        rows += [(line["step"], name, value) for name, value in named.items()]
    return pl.DataFrame(rows, schema=HISTORY, orient="row")


def complete(
    folder: Path,
    start: Path,
    curve: pl.DataFrame,
    facts: dict[str, Any],
    **run: Any,
) -> None:
    """Make a folder of weights the folder of a model.

    It keeps the tokenizer files of `start`, byte for byte. The manifest holds `facts`,
    equal in every run, and what is of this `run` alone.
    """
    for path in tokenizer_files(start):
        shutil.copyfile(path, folder / path.name)
    write_table(folder / CURVE, curve, HISTORY, facts)
    write_result(folder / MANIFEST, {**facts, **run, **folder_facts(folder)})
