"""A trained model's folder: weights or adapter, tokenizer, curve; the manifest last."""

import logging
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.artifacts import (
    MANIFEST,
    atomic_directory,
    read_object,
    write_json,
    write_result,
    write_table,
)
from safegrid.checkpoints import Dtype, folder_facts, tokenizer_files
from safegrid.errors import TrainingError
from safegrid.pretrained import ADAPTER
from safegrid.records import HISTORY

logger = logging.getLogger(__name__)

CURVE = "history.parquet"


def save_model(
    trainer: Any,
    start: Path,
    dtype: Dtype,
    curve: pl.DataFrame,
    facts: dict[str, Any],
    run: dict[str, Any],
    out: Path,
) -> None:
    """Write a model's folder, whole or not at all.

    Every process calls this, because shards are gathered; the main one writes.

    Args:
        trainer: trained.
        start: folder whose tokenizer files the model keeps, byte for byte.
        dtype: of full weights on disk; an adapter stays in float32.
        curve: rows of `records.HISTORY`.
        facts: the manifest without the weights' own facts, equal in every run.
        run: what else the manifest says, of this run alone.
        out: the folder; holds either a full model or an adapter.

    Raises:
        TrainingError: a weight is not finite.
    """
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.accelerator.is_main_process:
        return
    _require_finite(state)
    model = trainer.accelerator.unwrap_model(trainer.model)
    with atomic_directory(out) as folder:
        if hasattr(model, "peft_config"):
            _save_adapter(model, state, folder)
        else:
            _save_weights(model, state, dtype, folder)
        for path in tokenizer_files(start):
            shutil.copyfile(path, folder / path.name)
        write_table(folder / CURVE, curve, HISTORY, facts)
        write_result(folder / MANIFEST, {**facts, "run": run, **folder_facts(folder)})
    logger.info("%s: trained %d steps", out, trainer.state.global_step)


def _require_finite(state: dict[str, Any]) -> None:
    import torch

    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(
                f"after the last step weight {name} is not finite. Lower the learning"
                " rate; nothing was written"
            )


def _save_weights(
    model: Any, state: dict[str, Any], dtype: Dtype, folder: Path
) -> None:
    import torch

    model.to(getattr(torch, dtype))
    state = {name: tensor.to(getattr(torch, dtype)) for name, tensor in state.items()}
    model.save_pretrained(folder, state_dict=state)


def _save_adapter(model: Any, state: dict[str, Any], folder: Path) -> None:
    model.save_pretrained(folder, state_dict=state)
    # peft writes a card, and where the start model lay on this machine; the adapter
    # belongs to a chain of folders that the manifest names by their hashes.
    (folder / "README.md").unlink(missing_ok=True)
    shape = read_object(folder / ADAPTER)
    write_json(folder / ADAPTER, {**shape, "base_model_name_or_path": None})
    if shape["modules_to_save"]:
        # It brings a head: what the start model becomes by it, see `checkpoints`.
        model.config.save_pretrained(folder)
