"""Models on disk: a full model, and the adapters that are merged into it in order.

A *stack* is the list of folders that make a model: the first holds a full model, each
further one a LoRA adapter that was trained on what stands before it. The last adapter
of a reward model brings its head; the folder's `config.json` says so. torch and
transformers are imported inside the functions, so that the names here cost nothing.
"""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safegrid.core.errors import DataError
from safegrid.core.files import read_object, sha256_file, sha256_json
from safegrid.core.seals import FILES, check_folder, list_files
from safegrid.models.pretrained import (
    ADAPTER,
    CONFIG,
    load_config,
    load_weights,
    merge_adapter,
)
from safegrid.models.score_head import with_score_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Dtype = Literal["float32", "bfloat16"]
Head = Literal["causal", "classify", "embed"]

# Pickles can run code when they are read.
WEIGHTS = ("*.safetensors",)


@contextmanager
def loading() -> Iterator[None]:
    """Import libraries and load weights without garbage collections in between.

    A sixth of the seconds that importing transformers takes is the collector walking
    over millions of objects that stay. What was made inside is left alone afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def load_model(
    stack: Sequence[Path], dtype: Dtype = "float32", head: Head = "causal"
) -> "PreTrainedModel":
    """Load a model into memory, adapters merged, in evaluation mode.

    Args:
        stack: folder of a full model, then folders of adapters.
        dtype: of the weights; adapters are merged in it.
        head: `causal` for a language model, `classify` for a sequence classifier,
            `embed` for an encoder.

    Raises:
        DataError: a folder is not what its place in the stack asks for.
    """
    _check_stack(stack, head)
    with loading():
        return _load(stack, dtype, head)


def _load(stack: Sequence[Path], dtype: Dtype, head: Head) -> "PreTrainedModel":
    import torch
    from transformers import (
        AutoModel,
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
    )
    from transformers.utils import logging

    classes: dict[Head, Any] = {
        "causal": AutoModelForCausalLM,
        "classify": AutoModelForSequenceClassification,
        "embed": AutoModel,
    }
    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # An adapter that brings a head was trained on a language model.
    first = head if len(stack) == 1 else "causal"
    model = load_weights(classes[first], stack[0], dtype=getattr(torch, dtype))
    for folder in stack[1:]:
        if head == "classify" and folder == stack[-1]:
            model = with_score_head(model, load_config(folder))
        model = merge_adapter(model, folder)
    return model.eval()  # type: ignore[no-any-return]


def weights_of(folder: Path) -> str:
    """Return the sha256 of a folder's weight files, from its manifest where it has one.

    Raises:
        DataError: there are no weights, or the folder is not as it was written.
    """
    found = (check_folder(folder) or {}).get("weights")
    return found if isinstance(found, str) else hash_weights(folder)


def folder_facts(folder: Path) -> dict[str, Any]:
    """Return what a manifest says of a folder's files, for `weights_of`.

    Raises:
        DataError: there are no weights.
    """
    files = list_files(folder)
    hashes = {name: pin["sha256"] for name, pin in files.items()}
    return {"weights": hash_weights(folder, hashes), FILES: files}


def hash_weights(folder: Path, hashes: Mapping[str, str] | None = None) -> str:
    """Return the sha256 over the names and contents of a folder's weight files.

    An adapter's shape counts too: the same matrices merge differently by its alpha.

    Args:
        folder: of a model or an adapter.
        hashes: of its files, by name, where they are known.

    Raises:
        DataError: there are no weights.
    """
    files = sorted(path for glob in WEIGHTS for path in folder.glob(glob))
    if not files:
        raise DataError(
            f"{folder}: holds no weights ({' or '.join(WEIGHTS)}); expected the folder"
            " of a model or an adapter. Pickles are not read, for they can run code:"
            " convert them with transformers' `save_pretrained`"
        )
    parts = [
        [path.name, hashes[path.name] if hashes else sha256_file(path)]
        for path in files
    ]
    if (folder / ADAPTER).is_file():
        shape = read_object(folder / ADAPTER)
        parts.append([ADAPTER, sha256_json([shape.get("r"), shape.get("lora_alpha")])])
    return sha256_json(parts)


def weights_hash(stack: Sequence[Path]) -> str:
    """Return one hash for the model that a stack makes."""
    parts = [weights_of(folder) for folder in stack]
    return parts[0] if len(parts) == 1 else sha256_json(parts)


def _check_stack(stack: Sequence[Path], head: Head) -> None:
    if not stack:
        raise DataError("a model needs at least one folder; the stack is empty")
    for place, folder in enumerate(stack):
        needed = ADAPTER if place else CONFIG
        if not (folder / needed).is_file():
            kind = "an adapter" if place else "a full model"
            raise DataError(
                f"{folder}: no {needed}; folder {place + 1} of {len(stack)} of a model"
                f" must be {kind} (a full model first, then its adapters in order)"
            )
    if head == "classify" and not (stack[-1] / CONFIG).is_file():
        raise DataError(
            f"{stack[-1]}: an adapter without {CONFIG}, so it brings no head: it is one"
            " of a language model, which classifies nothing"
        )
