"""Grow a world's judges from rows of prompts and responses."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from safegrid.artifacts import atomic_directory
from safegrid.config.world import Grown, JudgeName, World
from safegrid.labelled import Labelled, read_labelled
from safegrid.miniworld.answers import verdict
from safegrid.miniworld.causal import Turn, answer_loss, encode_turns
from safegrid.miniworld.models import lay_tokenizer, llama_config, save_model
from safegrid.miniworld.scorers import grow_harmfulness, grow_reward
from safegrid.miniworld.tokenizer import GUARD_TEMPLATE
from safegrid.miniworld.training import fit, prepare
from safegrid.templates import ChatTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

# The judges that give a label, and their labels.
CLASSES: dict[str, tuple[str, ...]] = {
    "guard": ("safe", "unsafe"),
    "toxicity": ("clean", "toxic"),
    "refusal": ("compliance", "refusal", "partial"),
}


def grow_judge(
    world: World, judge: JudgeName, rows: Path, tokenizer: Path, out: Path
) -> None:
    """Grow a judge on one thread: same world, same weights.

    The guard is a causal model that writes its verdict after its own chat template;
    the classifiers read the response alone; reward model and harmfulness regression
    read prompt and response, and give a number.

    Args:
        world: the judge's shape and its seed.
        judge: which of them.
        rows: JSON lines of labelled rows, of preferences (`reward`), or of rated
            answers (`harmfulness`).
        tokenizer: folder of the corpus's tokenizer; the base's need not exist yet.
        out: the model's folder, as transformers saves one.

    Raises:
        DataError: no rows, or lines that are no rows of this judge.
        TrainingError: no tokenizer there, or the loss is not finite.
    """
    grown: Grown = getattr(world.judges, judge)
    template = GUARD_TEMPLATE if judge == "guard" else None
    with atomic_directory(out) as folder:
        prepare(world.seed)
        own = lay_tokenizer(tokenizer, folder, template)
        model = GROWERS[judge](rows, own, grown, world.seed)
        save_model(model, folder, {"rows": rows, "tokenizer": tokenizer}, world)
    log.info("grew %s", out)


def _grow_guard(
    rows: Path, tokenizer: ChatTokenizer, grown: Grown, seed: int
) -> "PreTrainedModel":
    from transformers import LlamaForCausalLM

    turns = [_turn(row) for row in read_labelled(rows, CLASSES["guard"])]
    chats = encode_turns(turns, tokenizer, grown.context, rows)
    model = LlamaForCausalLM(llama_config(grown, tokenizer))
    lengths = [len(chat.ids) for chat in chats]
    fit(model, lengths, answer_loss(model, chats), grown, seed)
    return model


def _turn(row: Labelled) -> Turn:
    exchange = [
        {"role": "user", "content": row.prompt},
        {"role": "assistant", "content": row.response},
    ]
    return Turn(exchange, verdict(row.label, row.category))


def _grow_classifier(
    judge: str, rows: Path, tokenizer: ChatTokenizer, grown: Grown, seed: int
) -> "PreTrainedModel":
    import torch
    from transformers import LlamaForSequenceClassification

    classes = CLASSES[judge]
    labelled = read_labelled(rows, classes)
    texts = [tokenizer.encode_sequence(row.response) for row in labelled]
    labels = [classes.index(row.label) for row in labelled]
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


GROWERS: dict[
    JudgeName, Callable[[Path, ChatTokenizer, Grown, int], "PreTrainedModel"]
] = {
    "guard": _grow_guard,
    "toxicity": partial(_grow_classifier, "toxicity"),
    "refusal": partial(_grow_classifier, "refusal"),
    "reward": grow_reward,
    "harmfulness": grow_harmfulness,
}
