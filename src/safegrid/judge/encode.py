"""Vectors of texts by a frozen encoder, which our engine serves."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from safegrid.config import EngineSpec
from safegrid.core.artifacts import read_object
from safegrid.core.errors import JudgeError
from safegrid.engine.asking import Asker, ask_model
from safegrid.judge.text_head import Encode, Floats
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.usage import Record

Result = TypeVar("Result")


class Encoder:
    """An encoder's folder, and who asks the engine that serves it."""

    def __init__(self, folder: Path, asker: Asker) -> None:
        """Read its tokenizer.

        Raises:
            DataError: the tokenizer cannot be read.
            JudgeError: `config.json` does not say how long a text may be.
        """
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
        """Return (N, D) vectors; texts are cut at the encoder's longest input.

        Raises:
            JudgeError: the encoder gave a vector that is not finite.
        """
        vectors = np.array(self._asker.embed([self._ids(text) for text in texts]))
        if not np.isfinite(vectors).all():
            raise JudgeError(
                f"{self._chat.folder}: the encoder gave a vector that is not finite;"
                " take another, or fetch it again"
            )
        return vectors

    def _ids(self, text: str) -> list[int]:
        """Return a text's ids; where it is cut, the token that ends it stays."""
        ids = self._chat.encode_sequence(text)
        return (
            ids if len(ids) <= self._longest else [*ids[: self._longest - 1], ids[-1]]
        )


def with_encoder(
    work: Callable[[Encode], Result],
    folders: Sequence[Path],
    engine: EngineSpec,
    cache: Path,
    versions: Mapping[str, int],
    fresh: bool = False,
) -> tuple[Result, Record | None]:
    """Do some work on the vectors of an encoder, if there is one.

    Args:
        work: as in `ask_model`, given the encoder or None.
        folders: the encoder's, or none.
        engine: serves it.
        cache: file of the vectors.
        versions: of the stage, and what else numbers them.
        fresh: ignore the cache.

    Returns:
        What `work` returned, and who gave the vectors in what time.

    Raises:
        EngineError: the engine does not start or does not answer.
    """
    if not folders:
        return work(None), None

    def ask(asker: Asker) -> Result:
        return work(Encoder(folders[0], asker))

    return ask_model(engine, folders, "embed", cache, versions, ask, fresh)
