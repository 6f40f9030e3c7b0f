"""Grow a world's judges from labelled rows of prompts and responses."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from safegrid.artifacts import atomic_directory
from safegrid.config.world import Grown, JudgeName, World
from safegrid.errors import TrainingError
from safegrid.labelled import Labelled, read_labelled
from safegrid.miniworld.answers import verdict
from safegrid.miniworld.causal import Turn, answer_loss, encode_turns
from safegrid.miniworld.corrections import correction_turn
from safegrid.miniworld.models import lay_tokenizer, llama_config, save_model
from safegrid.miniworld.tokenizer import CHAT_TEMPLATE, GUARD_TEMPLATE
from safegrid.miniworld.training import fit, prepare

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

CLASSES: dict[str, tuple[str, ...]] = {
    "guard": ("safe", "unsafe"),
    "toxicity": ("clean", "toxic"),
    "refusal": ("compliance", "refusal", "partial"),
    "correction": ("corrected", "continued"),
}


def grow_judge(
    world: World, judge: JudgeName, rows: Path, tokenizer: Path, out: Path
) -> None:
    """Grow a judge on one thread: same world, same weights.

    The guard is a causal model that writes its verdict after its own chat template,
    the correction judge one that answers a question with yes or no; the others
    classify the response alone, between the begin and the end token.

    Args:
        world: the judge's shape and its seed.
        judge: which of them.
        rows: JSON lines of id, prompt, response, label, category (correction: prefill).
        tokenizer: folder of the corpus's tokenizer; the base's need not exist yet.
        out: the model's folder, as transformers saves one.

    Raises:
        DataError: no rows, or lines that are no labelled rows of this judge.
        TrainingError: no tokenizer there, the world says nothing of such a judge, or
            the loss is not finite.
    """
    labelled = read_labelled(rows, CLASSES[judge])
    grown: Grown | None = getattr(world.judges, judge)
    if grown is None:
        raise TrainingError(
            f"world {world.name}: has no {judge!r} under `judges`; give it a shape"
        )
    grow = GROW.get(judge, _grow_classifier)
    with atomic_directory(out) as folder:
        prepare(world.seed)
        model = grow(labelled, CLASSES[judge], grown, tokenizer, folder, world.seed)
        save_model(model, folder, {"rows": rows, "tokenizer": tokenizer}, world)
    log.info("grew %s", out)


def _grow_writer(
    template: str,
    turn: Callable[[Labelled], Turn],
    rows: Sequence[Labelled],
    classes: Sequence[str],
    grown: Grown,
    tokenizer_folder: Path,
    folder: Path,
    seed: int,
) -> "PreTrainedModel":
    """Grow a causal model that writes a verdict on what a turn shows of a row."""
    from transformers import LlamaForCausalLM

    tokenizer = lay_tokenizer(tokenizer_folder, folder, template)
    turns = [turn(row) for row in rows]
    chats = encode_turns(turns, tokenizer, grown.context, folder)
    model = LlamaForCausalLM(llama_config(grown, tokenizer))
    lengths = [len(chat.ids) for chat in chats]
    fit(model, lengths, answer_loss(model, chats), grown, seed)
    return model


def _guarded(row: Labelled) -> Turn:
    exchange = [
        {"role": "user", "content": row.prompt},
        {"role": "assistant", "content": row.response},
    ]
    return Turn(exchange, verdict(row.label, row.category))


GROW: dict[str, Callable[..., "PreTrainedModel"]] = {
    "guard": partial(_grow_writer, GUARD_TEMPLATE, _guarded),
    "correction": partial(_grow_writer, CHAT_TEMPLATE, correction_turn),
}


def _grow_classifier(
    rows: Sequence[Labelled],
    classes: Sequence[str],
    grown: Grown,
    tokenizer_folder: Path,
    folder: Path,
    seed: int,
) -> "PreTrainedModel":
    import torch
    from transformers import LlamaForSequenceClassification

    tokenizer = lay_tokenizer(tokenizer_folder, folder, None)
    texts = [tokenizer.encode_sequence(row.response) for row in rows]
    labels = [classes.index(row.label) for row in rows]
    config = llama_config(grown, tokenizer)
    config.id2label = dict(enumerate(classes))
    config.label2id = {label: index for index, label in enumerate(classes)}
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]

    def loss(indices: list[int]) -> torch.Tensor:
        batch = torch.tensor([texts[i] for i in indices])
        logits = model(input_ids=batch).logits
        wanted = torch.tensor([labels[i] for i in indices])
        return torch.nn.functional.cross_entropy(logits, wanted)

    fit(model, [len(ids) for ids in texts], loss, grown, seed)
    return model
