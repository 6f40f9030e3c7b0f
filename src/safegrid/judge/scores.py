"""Models with one output as judges: a reward, or a regression of harmfulness.

They are sequence classifiers (Ouyang et al. 2022; Bianchi et al. 2023, arXiv
2309.07875), read by the output itself: no sigmoid stands between two answers of which
one is far better.
"""

import json
import logging
import math
from collections.abc import Sequence

from safegrid.config import JudgeSpec
from safegrid.core.errors import JudgeError
from safegrid.engine.asking import Asker
from safegrid.judge.classifier import check_pairs
from safegrid.judge.items import Item, Verdict, Work, unscored
from safegrid.models.templates import ChatTokenizer

logger = logging.getLogger(__name__)

# So many different texts with one and the same score are no coincidence.
SUSPECT = 20
TOO_LONG = "no score: longer than the model's context"
NOT_FINITE = "no score: the model gives no finite number"

Ids = list[int]


def read_scores(spec: JudgeSpec, chat: ChatTokenizer, items: Sequence[Item]) -> Work:
    """Score each prompt-response pair by the model's one output; there is no label.

    reward: higher is better. harmfulness: higher is worse. The model reads `text`, or
    the pair of `text` and `text_pair`; without them the conversation in its own chat
    template, the end of the answer's turn included.

    Raises:
        JudgeError: a prompt is not one turn, and `text` has a place for one; or the
            model does not read pairs. When it is asked: no score is a finite number,
            or all are the same.
    """
    if spec.text_pair is not None:
        check_pairs(spec, chat.folder)
    rows = [_ids(spec, chat, item) for item in items]

    def work(asker: Asker) -> list[Verdict]:
        found = asker.logits(rows)
        _check(spec, rows, found)
        return [_verdict(outputs) for outputs in found]

    return work


def _ids(spec: JudgeSpec, chat: ChatTokenizer, item: Item) -> Ids:
    if spec.text is None:
        ids = chat.chat_ids(item.conversation, add_generation_prompt=False)
        chat.check_bos(ids, f"judge {spec.name}: prompt {item.prompt_id}")
        return ids
    if [message["role"] for message in item.messages] != ["user"]:
        raise JudgeError(
            f"judge {spec.name}: prompt {item.prompt_id} has turns of"
            f" {[message['role'] for message in item.messages]}, and its `text` has a"
            " place for one turn of the user; take a judge with a chat template"
        )
    texts = [spec.text] if spec.text_pair is None else [spec.text, spec.text_pair]
    values = {"prompt": item.messages[0]["content"], "response": item.answer}
    return chat.encode_filled(texts, values)


def _verdict(outputs: Sequence[float]) -> Verdict:
    if not outputs:
        return unscored(TOO_LONG)
    if not math.isfinite(outputs[0]):
        return unscored(NOT_FINITE)
    return Verdict(None, outputs[0], [], json.dumps({"output": round(outputs[0], 6)}))


def _check(
    spec: JudgeSpec, rows: Sequence[Ids], found: Sequence[Sequence[float]]
) -> None:
    """Refuse a model whose outputs tell nothing; count what is unscored."""
    # One text has one score, however often it stands in a cell.
    read = {
        tuple(ids): outputs[0]
        for ids, outputs in zip(rows, found, strict=True)
        if outputs
    }
    finite = {ids: score for ids, score in read.items() if math.isfinite(score)}
    if read and not finite:
        raise JudgeError(
            f"judge {spec.name}: none of its {len(read)} scores is a finite number; its"
            " weights are damaged, or too large for the engine's dtype: look at them,"
            " and try `engine: {dtype: float32}`"
        )
    if len(finite) >= SUSPECT and len(set(finite.values())) == 1:
        raise JudgeError(
            f"judge {spec.name}: all of {len(finite)} different texts have the score"
            f" {next(iter(finite.values())):g}; its head was not trained or not loaded,"
            " or the places of its `text` are not where it reads: check both"
        )
    long, broken = sum(not outputs for outputs in found), len(read) - len(finite)
    if long or broken:
        logger.warning(
            "%s: %d texts are longer than its context and %d have no finite score;"
            " they are unscored",
            spec.name,
            long,
            broken,
        )
