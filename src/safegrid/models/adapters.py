"""Adapters that are the same model apart and merged: which modules may have one.

Two modules with one weight (an embedding that is also the head) part where one of them
gets an adapter: it is trained beside one of the two, and merged into both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safegrid.core.errors import DataError, TrainingError

if TYPE_CHECKING:
    from peft import LoraConfig, PeftConfig
    from transformers import PreTrainedModel


def check_targets(model: "PreTrainedModel", config: "LoraConfig") -> None:
    """Refuse a fresh adapter for a model that would not be trained as it says."""
    names = targets(model, config)
    problem = _unfit(model, names) or _shared(model, names)
    if problem is None and not names and not config.target_parameters:
        problem = f"no module has such a name; linear layers: {_linear_names(model)}"
    if problem is not None:
        raise TrainingError(
            f"lora.target_modules {sorted(config.target_modules or ())}: {problem}."
            " Name other modules, or `all-linear`"
        )


def check_merge(model: "PreTrainedModel", config: "PeftConfig", folder: Path) -> None:
    """Refuse an adapter that merges into another model than it was trained in."""
    problem = _shared(model, targets(model, config))
    if problem is not None:
        raise DataError(f"{folder}: {problem}. Train it again at other modules")


def targets(model: "PreTrainedModel", config: "PeftConfig") -> list[str]:
    """Return the names of the modules at which an adapter's settings put something."""
    from peft.tuners.tuners_utils import check_target_module_exists as named

    modules = (name for name, _ in model.named_modules() if name)
    # For a module that is excluded, peft returns an object that is false.
    return [name for name in modules if named(config, name)]


def _unfit(model: "PreTrainedModel", names: Sequence[str]) -> str | None:
    import torch
    from transformers.pytorch_utils import Conv1D

    modules, head = dict(model.named_modules()), _head(model)
    for name in names:
        if modules[name] is head:
            return (
                f"{name} is the head: log-probabilities are computed from its own"
                " weights, so an adapter there would never be trained"
            )
        if not isinstance(modules[name], torch.nn.Linear | torch.nn.Embedding | Conv1D):
            return (
                f"{name} is a {type(modules[name]).__name__}, and adapters are for"
                " linear layers and embeddings"
            )
    return None


def _shared(model: "PreTrainedModel", names: Sequence[str]) -> str | None:
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(id(weight), []).append(name)
    for together in owners.values():
        for name in together:
            others = [owner for owner in together if owner != name]
            if name in names and others:
                return (
                    f"{name} has one weight with {others[0]} (tied embeddings), so an"
                    f" adapter there would be trained without {others[0]} and merged"
                    " into both, which is another model"
                )
    return None


def _linear_names(model: "PreTrainedModel") -> str:
    import torch

    head = _head(model)
    found = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    return ", ".join(sorted(found))


def _head(model: "PreTrainedModel") -> Any:
    return model.get_output_embeddings()  # type: ignore[no-untyped-call]
