"""Train a world's judges on rows of prompts and responses."""

import logging
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from miniworld.answers import verdict
from miniworld.corrections import correction_turn
from miniworld.models import (
    CHAT_TEMPLATE,
    GUARD_TEMPLATE,
    lay_tokenizer,
    llama_config,
    save_model,
)
from miniworld.training import Turn, answer_loss, encode_turns, fit, prepare
from safegrid.config.world import JudgeName, SmallModel, World, WrongLabels
from safegrid.core.artifacts import atomic_directory
from safegrid.core.errors import TrainingError
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.labelled import (
    Labelled,
    read_labelled,
    read_reward_pairs,
    read_scored,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

# A model with fresh weights, tokens of each row, and the loss of rows by their indices.
Learner = tuple["PreTrainedModel", list[int], "Callable[[list[int]], torch.Tensor]"]
Start = Callable[[Path, ChatTokenizer, SmallModel], Learner]

# The judges that give a label, and their labels.
CLASSES: dict[str, tuple[str, ...]] = {
    "guard": ("safe", "unsafe"),
    "toxicity": ("clean", "toxic"),
    "refusal": ("compliance", "refusal", "partial"),
    "correction": ("corrected", "continued"),
}
# The judges that write a verdict; the others have no chat template.
TEMPLATES = {
    **dict.fromkeys(("guard", "place_guard", "style_guard"), GUARD_TEMPLATE),
    "correction": CHAT_TEMPLATE,
}
# The category of a safe answer that is labelled unsafe by mistake.
WRONG_CATEGORY = "S1"
# What those that give a number read, as the published harmfulness regression does.
TEXT = "\n\nHuman: {prompt}\n\nAssistant: {response}"


def train_judge(
    world: World, judge: JudgeName, rows: Path, tokenizer: Path, out: Path
) -> None:
    """Train a judge on one thread: same world, same weights.

    The guard is a causal model that writes its verdict after its own chat template, the
    correction judge one that answers a question with yes or no; the classifiers read
    the response alone; reward model and harmfulness regression read prompt and
    response, and give a number. A poor guard is a guard that learns wrong labels.

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
    spec = world.judges.shape(judge)
    if spec is None:
        raise TrainingError(
            f"world {world.name}: has no {judge!r} under `judges`; give it a shape"
        )
    with atomic_directory(out) as folder:
        prepare(world.seed)
        own = lay_tokenizer(tokenizer, folder, TEMPLATES.get(judge))
        model, lengths, loss = _learner(world, judge)(rows, own, spec)
        fit(model, lengths, loss, spec, world.seed)
        save_model(model, folder, {"rows": rows, "tokenizer": tokenizer}, world)
    log.info("grew %s", out)


def _learner(world: World, judge: JudgeName) -> Start:
    wrong = getattr(world.judges, judge)
    if not isinstance(wrong, WrongLabels):
        return LEARNERS[judge]
    return partial(_writer, "guard", lambda row: _guard_turn(mislabelled(row, wrong)))


def mislabelled(row: Labelled, wrong: WrongLabels) -> Labelled:
    """Return a guard's row with the label that a poor guard learns."""
    if not re.search(wrong.pattern, getattr(row, wrong.column)):
        return row
    if row.label == "safe":
        return row._replace(label="unsafe", category=WRONG_CATEGORY)
    return row._replace(label="safe", category=None)


def _writer(
    judge: str,
    turn: Callable[[Labelled], Turn],
    rows: Path,
    tokenizer: ChatTokenizer,
    spec: SmallModel,
) -> Learner:
    """Return a causal model that writes a verdict on what a turn shows of a row."""
    from transformers import LlamaForCausalLM

    turns = [turn(row) for row in read_labelled(rows, CLASSES[judge])]
    chats = encode_turns(turns, tokenizer, spec.context, rows)
    model = LlamaForCausalLM(llama_config(spec, tokenizer))
    return model, [len(chat.ids) for chat in chats], answer_loss(model, chats)


def _guard_turn(row: Labelled) -> Turn:
    turns = [
        {"role": "user", "content": row.prompt},
        {"role": "assistant", "content": row.response},
    ]
    return Turn(turns, verdict(row.label, row.category))


def _classifier(
    judge: str, rows: Path, tokenizer: ChatTokenizer, spec: SmallModel
) -> Learner:
    """Return a classifier of responses, and its cross-entropy."""
    import torch

    labelled = read_labelled(rows, CLASSES[judge])
    texts = [tokenizer.encode_sequence(row.response) for row in labelled]
    labels = [CLASSES[judge].index(row.label) for row in labelled]
    model, outputs = classifier(spec, tokenizer, CLASSES[judge])

    def loss(indices: list[int]) -> torch.Tensor:
        wanted = torch.tensor([labels[i] for i in indices])
        logits = outputs([texts[i] for i in indices])
        return torch.nn.functional.cross_entropy(logits, wanted)

    return model, [len(ids) for ids in texts], loss


def _reward(rows: Path, tokenizer: ChatTokenizer, spec: SmallModel) -> Learner:
    """Return a reward model, and the loss of Bradley and Terry.

    The loss of a pair is -log sigmoid(reward of the better answer - that of the other).
    """
    import torch

    pairs = read_reward_pairs(rows)
    better = [encode(tokenizer, pair.prompt, pair.chosen) for pair in pairs]
    worse = [encode(tokenizer, pair.prompt, pair.rejected) for pair in pairs]
    model, outputs = classifier(spec, tokenizer, ("reward",))

    def loss(indices: list[int]) -> torch.Tensor:
        rewards = outputs([side[i] for side in (better, worse) for i in indices])[:, 0]
        margins = rewards[: len(indices)] - rewards[len(indices) :]
        return -torch.nn.functional.logsigmoid(margins).mean()

    lengths = [max(len(b), len(w)) for b, w in zip(better, worse, strict=True)]
    return model, lengths, loss


def _harmfulness(rows: Path, tokenizer: ChatTokenizer, spec: SmallModel) -> Learner:
    """Return a regression, and the mean squared error of its scores."""
    import torch

    rated = read_scored(rows)
    texts = [encode(tokenizer, row.prompt, row.response) for row in rated]
    model, outputs = classifier(spec, tokenizer, ("harmfulness",))

    def loss(indices: list[int]) -> torch.Tensor:
        wanted = torch.tensor([rated[i].score for i in indices])
        scores = outputs([texts[i] for i in indices])[:, 0]
        return torch.nn.functional.mse_loss(scores, wanted)

    return model, [len(ids) for ids in texts], loss


def encode(tokenizer: ChatTokenizer, prompt: str, response: str) -> list[int]:
    """Return what a judge that gives a number reads, as ids."""
    return tokenizer.encode_sequence(TEXT.format(prompt=prompt, response=response))


def classifier(
    spec: SmallModel, tokenizer: ChatTokenizer, labels: Sequence[str]
) -> tuple["PreTrainedModel", Callable[[Sequence[list[int]]], "torch.Tensor"]]:
    """Return a fresh classifier, and what it gives to texts: `(texts, labels)`.

    Shorter texts are filled up at their end; the outputs stand at the last token of a
    text's own.
    """
    import torch
    from transformers import LlamaForSequenceClassification

    config = llama_config(spec, tokenizer)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    pad = float(tokenizer.pad_id or 0)

    def outputs(texts: Sequence[list[int]]) -> torch.Tensor:
        rows = [torch.tensor(ids) for ids in texts]
        batch = torch.nn.utils.rnn.pad_sequence(rows, True, pad)
        logits: torch.Tensor = model(input_ids=batch).logits
        return logits

    return model, outputs


LEARNERS: dict[JudgeName, Start] = {
    "guard": partial(_writer, "guard", _guard_turn),
    "correction": partial(_writer, "correction", correction_turn),
    "toxicity": partial(_classifier, "toxicity"),
    "refusal": partial(_classifier, "refusal"),
    "reward": _reward,
    "harmfulness": _harmfulness,
}
