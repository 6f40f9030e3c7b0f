"""A judge of kind `refusal` by a trained text head, on an encoder that we serve."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_object, read_result
from safegrid.core.errors import JudgeError
from safegrid.engine.asking import Asker
from safegrid.judge.items import Item, Verdict, other_classes, unscored
from safegrid.judge.text_head import Encode, Floats, Head, HeadText, decide
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.plain import is_blank
from safegrid.runtime.usage import Record

Result = TypeVar("Result")


class Encoder:
    """A frozen encoder, by its folder and who asks the engine that serves it."""

    def __init__(self, folder: Path, asker: Asker) -> None:
        self._chat = ChatTokenizer.load(folder)
        self._asker = asker
        longest = read_object(folder / "config.json").get("max_position_embeddings")
        if not isinstance(longest, int):
            raise JudgeError(
                f"{folder / 'config.json'}: no max_position_embeddings, the longest"
                " input of the encoder; add it"
            )
        self._longest = longest

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return (N, D) vectors; texts are cut at the encoder's longest input."""
        rows = [self._chat.encode_sequence(text) for text in texts]
        # Where a text is cut, the token that ends it stays.
        cut = [
            ids if len(ids) <= self._longest else [*ids[: self._longest - 1], ids[-1]]
            for ids in rows
        ]
        vectors = np.array(self._asker.embed(cut))
        if not np.isfinite(vectors).all():
            raise JudgeError(
                f"{self._chat.folder}: the encoder gave a vector that is not finite;"
                " take another, or fetch it again"
            )
        return vectors


Ask = Callable[..., Any]
"""`ask_model` of an engine, its cache and versions: takes stack, head and `work`."""


def with_encoder(
    work: Callable[[Encode], Result], folders: Sequence[Path], ask: Ask
) -> tuple[Result, Record | None]:
    """Do some work on the vectors of the encoder in the first folder, if there is one.

    Returns what `ask` does; without an encoder nobody was asked, and it is None.
    """
    if not folders:
        return work(None), None
    found: tuple[Result, Record] = ask(
        folders, "embed", work=lambda asker: work(Encoder(folders[0], asker))
    )
    return found


def judge_by_head(
    spec: JudgeSpec, stack: Sequence[Path], items: Sequence[Item], ask: Ask
) -> tuple[list[Verdict], Record | None]:
    """Judge each answer with its prefill; one without a word is unscored.

    The stack is the file of the head, and the folder of its encoder if it has one.
    """
    head = Head.of(read_result(stack[0])["head"])
    if not {spec.positive} <= set(head.classes) <= set(spec.classes):
        raise other_classes(spec, f"{stack[0]} was trained on {sorted(head.classes)}")
    said = [item for item in items if not is_blank(item.answer)]
    texts = [HeadText(item.request, item.answer) for item in said]

    def by(encode: Encode) -> list[Verdict]:
        rows = iter(head.probabilities(texts, encode).tolist() if texts else [])
        return [
            unscored("empty: no word to judge")
            if is_blank(item.answer)
            else _verdict(spec, head.classes, next(rows))
            for item in items
        ]

    return with_encoder(by, stack[1:], ask)


def _verdict(
    spec: JudgeSpec, classes: Sequence[str], probabilities: Sequence[float]
) -> Verdict:
    by_class = dict(zip(classes, probabilities, strict=True))
    label = decide(probabilities, classes, spec.positive, spec.threshold)
    raw = json.dumps({name: round(value, 6) for name, value in by_class.items()})
    return Verdict(label, by_class[spec.positive], [], raw)
