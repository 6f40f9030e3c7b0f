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
    empty_classifier,
    load_config,
    load_weights,
    merge_adapter,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

Dtype = Literal["float32", "bfloat16"]
Head = Literal["causal", "classify", "embed"]
"""What a model is: a language model, a sequence classifier or an encoder."""

# Pickles can run code when they are read.
WEIGHTS = "*.safetensors"


@contextmanager
def loading() -> Iterator[None]:
    """Import libraries and load weights without garbage collections in between.

    A sixth of the seconds that importing transformers takes is the collector walking
    over millions of objects that stay: they are frozen afterwards.
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
    """Load a stack into memory, adapters merged in `dtype`, in evaluation mode."""
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
    """Return the sha256 of a folder's weight files, by its manifest if it has one."""
    found = (check_folder(folder) or {}).get("weights")
    return found if isinstance(found, str) else hash_weights(folder)


def folder_facts(folder: Path) -> dict[str, Any]:
    """Return what a manifest says of a folder's files, for `weights_of`."""
    files = list_files(folder)
    hashes = {name: pin["sha256"] for name, pin in files.items()}
    return {"weights": hash_weights(folder, hashes), FILES: files}


def hash_weights(folder: Path, hashes: Mapping[str, str] | None = None) -> str:
    """Return the sha256 over the names and contents of a folder's weight files.

    An adapter's shape counts too: the same matrices merge differently by its alpha.
    `hashes` are those of the folder's files, by name, where they are known.
    """
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise DataError(
            f"{folder}: holds no weights ({WEIGHTS}); expected the folder"
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


def score_config(model: "PreTrainedModel", pad_id: int) -> "PreTrainedConfig":
    """Return the settings of a model with one output over a language model's body.

    The output is read at the last token before those of `pad_id`, which fill up rows.
    """
    config = type(model.config).from_dict(model.config.to_dict())
    config.num_labels = 1
    config.get_text_config().pad_token_id = pad_id
    return config


def with_score_head(
    model: "PreTrainedModel", config: "PreTrainedConfig", seed: int = 0
) -> "PreTrainedModel":
    """Turn a language model into a classifier of `config`: its body under a new head.

    transformers makes one of a folder of full weights only, and a stack is in memory
    already. The head's first values are drawn as transformers draws them.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise DataError(
            f"transformers has no sequence classifier of family {config.model_type!r},"
            " so a reward model cannot be made of it; take a base of another family"
        )
    classifier = empty_classifier(config)
    setattr(classifier, classifier.base_model_prefix, model.base_model)
    body = next(model.base_model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in head_modules(classifier):
            head = getattr(classifier, name).to_empty(device=body.device)
            classifier._init_weights(head)
            head.to(body.dtype)
    return classifier  # type: ignore[no-any-return]


def head_modules(classifier: "PreTrainedModel") -> list[str]:
    """Return the names of the modules that are no part of a classifier's body."""
    prefix = classifier.base_model_prefix
    return [name for name, _ in classifier.named_children() if name != prefix]
