"""Loading by transformers and peft from a folder, without running its code.

A folder's `auto_map` names Python classes. Asked nothing, transformers asks the
terminal whether to run them; here it is always told no, and nowhere else in the package
stands a `from_pretrained` or `from_config` (a test reads the code for them).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safegrid.core.errors import DataError
from safegrid.core.files import read_json, read_object
from safegrid.models.adapters import check_merge

if TYPE_CHECKING:
    from transformers import (
        PreTrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# Large files of words, weights and merges: they say nothing of classes.
NO_SETTINGS = {"tokenizer.json", "vocab.json", "model.safetensors.index.json"}
OPTIONS: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


def check_code(folder: Path) -> None:
    """Refuse a model that only Python code of its own can load.

    What the `auto_map` of a family that transformers has names is left alone: many
    checkpoints have one from before.
    """
    named = dict(_auto_maps(folder))
    if not named:
        return
    from transformers import CONFIG_MAPPING

    path = folder / CONFIG
    family = read_object(path).get("model_type") if path.is_file() else None
    if isinstance(family, str) and family in CONFIG_MAPPING:
        return
    listed = "; ".join(f"{file} names {classes}" for file, classes in named.items())
    raise DataError(
        f"{folder}: this model needs Python code of its own ({listed}), since"
        f" transformers has no family {family!r}, and a model's own code is never run"
        " here. Take a checkpoint of a family that transformers has (often the same"
        " name with -hf), or have a server of yours run it: engine kind `address`"
    )


def load_config(folder: Path) -> "PreTrainedConfig":
    """Load a model's settings, checked as `check_code` does."""
    from transformers import AutoConfig

    check_code(folder)
    return AutoConfig.from_pretrained(folder, **OPTIONS)  # type: ignore[no-any-return]


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """Load transformers' tokenizer of a folder, checked as `check_code` does."""
    from transformers import AutoTokenizer

    check_code(folder)
    return AutoTokenizer.from_pretrained(folder, **OPTIONS)


def load_weights(auto_class: Any, folder: Path, **options: Any) -> Any:
    """Load a model of one of transformers' auto classes, from safetensors alone."""
    check_code(folder)
    return auto_class.from_pretrained(
        folder, use_safetensors=True, **OPTIONS, **options
    )


def load_gguf_config(file: Path) -> "PreTrainedConfig":
    """Load the settings of a model from its GGUF file."""
    from transformers import AutoConfig

    part = "a GGUF file of its architecture"
    return _load_gguf(AutoConfig, file, part)  # type: ignore[no-any-return]


def load_gguf_tokenizer(file: Path) -> "PreTrainedTokenizerBase":
    """Load a model's tokenizer from its GGUF file."""
    from transformers import AutoTokenizer

    return _load_gguf(AutoTokenizer, file, "its tokenizer")  # type: ignore


def _load_gguf(auto_class: Any, file: Path, part: str) -> Any:
    try:
        return auto_class.from_pretrained(file.parent, gguf_file=file.name, **OPTIONS)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{file}: transformers cannot read {part}: {error}. Take the model as"
            " safetensors"
        ) from None


def load_gguf_model(file: Path) -> "PreTrainedModel":
    """Load a language model from its GGUF file, in float32 and with every weight."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.quantization_config import GgufConfig

    auto_class: Any = AutoModelForCausalLM
    model, loaded = auto_class.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        # Without it a model stays one that transformers saves in no other format.
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
        **OPTIONS,
    )
    # They would be filled with random numbers.
    lost = {*loaded["missing_keys"], *loaded["mismatched_keys"]}
    if lost:
        raise DataError(
            f"{file}: {len(lost)} weights of the model are not in it, or have another"
            f" shape, such as {min(map(str, lost))}; is it one of several parts?"
        )
    return model  # type: ignore[no-any-return]


def empty_classifier(config: "PreTrainedConfig") -> Any:
    """Make a sequence classifier of given settings, its weights without values."""
    import torch
    from transformers import AutoModelForSequenceClassification as Classifier

    with torch.device("meta"):
        return Classifier.from_config(config, trust_remote_code=False)  # type: ignore


def merge_adapter(model: "PreTrainedModel", folder: Path) -> Any:
    """Load an adapter onto the model that it was trained on, and merge it in."""
    from peft import PeftConfig, PeftModel

    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise DataError(
            f"{folder}: no {ADAPTER_WEIGHTS}; pickles are not read, for they can run"
            " code: convert the adapter with peft's `save_pretrained`"
        )
    config = PeftConfig.from_pretrained(str(folder))
    check_merge(model, config, folder)
    adapted = PeftModel.from_pretrained(model, str(folder), config=config)
    return adapted.merge_and_unload()


def _auto_maps(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.json")):
        settings = {} if path.name in NO_SETTINGS else read_json(path)
        found = settings.get("auto_map") if isinstance(settings, dict) else None
        if found:
            classes = found.values() if isinstance(found, dict) else [found]
            yield path.name, ", ".join(map(str, classes))
