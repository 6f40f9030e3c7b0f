"""A trained model's folder: weights or adapter, tokenizer, curve; the manifest last."""

import copy
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import (
    MANIFEST,
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

CURVE = "history.parquet"


def gather_weights(trainer: Any) -> dict[str, Any]:
    """Return the weights of a model in training, as they stand now.

    Every process calls this, because shards are gathered; the main one has them all.

    Raises:
        TrainingError: a weight is not finite.
    """
    state: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.accelerator.is_main_process:
        _require_finite(state, trainer.state.global_step)
    return state


def write_weights(
    trainer: Any, state: dict[str, Any], dtype: Dtype, folder: Path
) -> None:
    """Write gathered weights: those of an adapter where one is trained, else all.

    The model itself is left as it is, so that it can be trained on.

    Args:
        trainer: whose model it is.
        state: of `gather_weights`.
        dtype: of full weights on disk; an adapter stays in float32.
        folder: that they are written into.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "peft_config"):
        _write_adapter(model, state, folder)
    else:
        _write_whole(model, state, dtype, folder)


def complete(
    folder: Path,
    start: Path,
    curve: pl.DataFrame,
    facts: dict[str, Any],
    run: dict[str, Any] | None,
) -> None:
    """Make a folder of weights the folder of a model.

    Args:
        folder: holds the weights; nobody knows it by this name yet.
        start: folder whose tokenizer files the model keeps, byte for byte.
        curve: rows of `records.HISTORY`.
        facts: the manifest without the weights' own facts, equal in every run.
        run: what else the manifest says, of this run alone; None without any.
    """
    for path in tokenizer_files(start):
        shutil.copyfile(path, folder / path.name)
    write_table(folder / CURVE, curve, HISTORY, facts)
    own = {} if run is None else {"run": run}
    write_result(folder / MANIFEST, {**facts, **own, **folder_facts(folder)})


def _require_finite(state: dict[str, Any], step: int) -> None:
    import torch

    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(
                f"after step {step} weight {name} is not finite. Lower the learning"
                " rate; nothing was written"
            )


def _write_whole(model: Any, state: dict[str, Any], dtype: Dtype, folder: Path) -> None:
    import torch

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
