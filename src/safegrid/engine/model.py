"""A loaded model with what the engine must know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from safegrid.core.errors import EngineError
from safegrid.engine.launch import LaunchSpec
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, and the limits of what it can be asked.

    Attributes:
        network: a causal model, a sequence classifier or an encoder of transformers.
        vocabulary: ids lie below this.
        context: most tokens of a sequence.
        ends: ids that end an answer.
        pad_id: fills up rows; a classifier reads where a row ends by it.
        max_batch_tokens: most padded tokens of a forward.
        search: folder of the code that searches in beams, if there is one.
        check: is called before every step of work, and raises to stop it.
    """

    network: Any
    tokenizer: ChatTokenizer
    device: torch.device
    vocabulary: int
    context: int
    ends: frozenset[int]
    pad_id: int
    batch_size: int
    max_batch_tokens: int
    search: Path | None = None
    check: Callable[[], None] = lambda: None


def load(launch_spec: LaunchSpec) -> LoadedModel:
    """Load what a launch spec asks for, onto the first CUDA device where there is one.

    Raises:
        EngineError: the model lacks something that an engine needs.
        DataError: it cannot be loaded, or cannot read a token of its tokenizer.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(launch_spec.threads)
    stack = [Path(folder) for folder in launch_spec.stack]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = _load_tokenizer(stack)
    network = load_model(stack, launch_spec.engine.dtype, launch_spec.head).to(device)  # type: ignore
    config = network.config.get_text_config()
    _check_config(config, launch_spec.head, stack)
    search = None if launch_spec.search is None else Path(launch_spec.search)
    if search is not None:
        # Loaded for every chunk anew; what is wrong with it shows here.
        network.load_custom_generate(str(search), trust_remote_code=True)
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        device=device,
        vocabulary=network.get_input_embeddings().num_embeddings,
        context=config.max_position_embeddings,
        ends=_ends(network, tokenizer),
        pad_id=config.pad_token_id if isinstance(config.pad_token_id, int) else 0,
        batch_size=launch_spec.engine.batch_size,
        max_batch_tokens=launch_spec.engine.max_batch_tokens,
        search=search,
    )


def _load_tokenizer(stack: list[Path]) -> ChatTokenizer:
    """Load the tokenizer of the last folder that holds one."""
    for folder in reversed(stack):
        if (folder / "tokenizer.json").is_file():
            return ChatTokenizer.load(folder)
    raise EngineError(f"{stack[0]}: no tokenizer.json in the model's folders")


def _check_config(config: Any, head: str, stack: list[Path]) -> None:
    path = stack[0] / "config.json"
    if not isinstance(getattr(config, "max_position_embeddings", None), int):
        raise EngineError(
            f"{path}: no max_position_embeddings, so the engine cannot know which"
            " requests are too long; add it"
        )
    if head == "classify" and not isinstance(config.pad_token_id, int):
        raise EngineError(
            f"{path}: no pad_token_id, by which a classifier finds where each row of a"
            " batch ends; add it"
        )


def _ends(network: Any, tokenizer: ChatTokenizer) -> frozenset[int]:
    """Return the ids that end an answer: the model's own and the tokenizer's."""
    settings = getattr(network, "generation_config", None)
    own = getattr(settings, "eos_token_id", None)
    ids = {tokenizer.eos_id, *(own if isinstance(own, list) else [own])}
    return frozenset(id_ for id_ in ids if id_ is not None)
