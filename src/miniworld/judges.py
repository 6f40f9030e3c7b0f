"""Train a world's judges on rows of prompts and responses."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from miniworld.answers import verdict
from miniworld.causal import Turn, answer_loss, encode_turns
from miniworld.corrections import correction_turn
from miniworld.models import lay_tokenizer, llama_config, save_model
from miniworld.scorers import grow_harmfulness, grow_reward
from miniworld.tokenizer import CHAT_TEMPLATE, GUARD_TEMPLATE
from miniworld.training import fit, prepare
from safegrid.config.world import JudgeName, SmallModel, World
from safegrid.core.artifacts import atomic_directory
from safegrid.core.errors import TrainingError
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.labelled import Labelled, read_labelled

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

# The judges that give a label, and their labels.
CLASSES: dict[str, tuple[str, ...]] = {
    "guard": ("safe", "unsafe"),
    "toxicity": ("clean", "toxic"),
    "refusal": ("compliance", "refusal", "partial"),
    "correction": ("corrected", "continued"),
}
# The judges that write a verdict; the others have no chat template.
TEMPLATES = {"guard": GUARD_TEMPLATE, "correction": CHAT_TEMPLATE}


def train_judge(
    world: World, judge: JudgeName, rows: Path, tokenizer: Path, out: Path
) -> None:
    """Train a judge on one thread: same world, same weights.

    The guard is a causal model that writes its verdict after its own chat template, the
    correction judge one that answers a question with yes or no; the classifiers read
    the response alone; reward model and harmfulness regression read prompt and
    response, and give a number.

    Args:
        world: the judge's shape and its seed.
        judge: which of them.
        rows: JSON lines of labelled rows, of preferences (`reward`), or of rated
            answers (`harmfulness`).
        tokenizer: folder of the corpus's tokenizer; the base's need not exist yet.
        out: the model's folder, as transformers saves one.

    Raises:
        DataError: no rows, or lines that are no rows of this judge.
        TrainingError: no tokenizer there, the world says nothing of such a judge, or
            the loss is not finite.
    """
    spec: SmallModel | None = getattr(world.judges, judge)
    if spec is None:
        raise TrainingError(
            f"world {world.name}: has no {judge!r} under `judges`; give it a shape"
        )
    template = TEMPLATES.get(judge)
    with atomic_directory(out) as folder:
        prepare(world.seed)
        own = lay_tokenizer(tokenizer, folder, template)
        model = TRAINERS[judge](rows, own, spec, world.seed)
        save_model(model, folder, {"rows": rows, "tokenizer": tokenizer}, world)
    log.info("grew %s", out)


def _grow_writer(
    judge: str,
    turn: Callable[[Labelled], Turn],
    rows: Path,
    tokenizer: ChatTokenizer,
    spec: SmallModel,
    seed: int,
) -> "PreTrainedModel":
    """Train a causal model that writes a verdict on what a turn shows of a row."""
    from transformers import LlamaForCausalLM

    turns = [turn(row) for row in read_labelled(rows, CLASSES[judge])]
    chats = encode_turns(turns, tokenizer, spec.context, rows)
    model = LlamaForCausalLM(llama_config(spec, tokenizer))
    lengths = [len(chat.ids) for chat in chats]
    fit(model, lengths, answer_loss(model, chats), spec, seed)
    return model


def _guarded(row: Labelled) -> Turn:
    turns = [
        {"role": "user", "content": row.prompt},
        {"role": "assistant", "content": row.response},
    ]
    return Turn(turns, verdict(row.label, row.category))


def _grow_classifier(
    judge: str, rows: Path, tokenizer: ChatTokenizer, spec: SmallModel, seed: int
) -> "PreTrainedModel":
    import torch
    from transformers import LlamaForSequenceClassification

    classes = CLASSES[judge]
    labelled = read_labelled(rows, classes)
    texts = [tokenizer.encode_sequence(row.response) for row in labelled]
    labels = [classes.index(row.label) for row in labelled]
    config = llama_config(spec, tokenizer)
    config.id2label = dict(enumerate(classes))
    config.label2id = {label: index for index, label in enumerate(classes)}
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]

    def loss(indices: list[int]) -> torch.Tensor:
        batch = torch.tensor([texts[i] for i in indices])
        logits = model(input_ids=batch).logits
        wanted = torch.tensor([labels[i] for i in indices])
        return torch.nn.functional.cross_entropy(logits, wanted)

    fit(model, [len(ids) for ids in texts], loss, spec, seed)
    return model


TRAINERS: dict[
    JudgeName, Callable[[Path, ChatTokenizer, SmallModel, int], "PreTrainedModel"]
] = {
    "guard": partial(_grow_writer, "guard", _guarded),
    "correction": partial(_grow_writer, "correction", correction_turn),
    "toxicity": partial(_grow_classifier, "toxicity"),
    "refusal": partial(_grow_classifier, "refusal"),
    "reward": grow_reward,
    "harmfulness": grow_harmfulness,
}
