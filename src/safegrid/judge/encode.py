"""Vectors of texts by a frozen encoder: the mean over a text's tokens, of length one.

The encoder runs in the job itself, on its CPU. Its pooling is that of
sentence-transformers' models (Reimers and Gurevych 2019).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import AutoModel

from safegrid.checkpoints import loading
from safegrid.errors import JudgeError
from safegrid.pretrained import load_tokenizer, load_weights

BATCH = 32


class Encoder:
    """An encoder of a folder; it keeps each text's vector."""

    def __init__(self, folder: Path) -> None:
        """Load it.

        Raises:
            JudgeError: the folder holds no such model.
        """
        try:
            with loading():
                self._tokenizer = load_tokenizer(folder)
                self._model = load_weights(AutoModel, folder).eval()
        except (OSError, ValueError) as error:
            raise JudgeError(
                f"{folder}: no encoder can be read here: {error}; expected config.json,"
                " a tokenizer and safetensors"
            ) from None
        self._longest = self._model.config.max_position_embeddings
        self._known: dict[str, NDArray[np.float64]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (N, D) vectors; texts are cut at the encoder's longest input.

        Texts of like length go together, in an order of their own, so that one set of
        texts gives the same bytes in whatever order it comes.
        """
        unknown = sorted(set(texts) - set(self._known), key=lambda t: (len(t), t))
        for start in range(0, len(unknown), BATCH):
            batch = unknown[start : start + BATCH]
            self._known.update(zip(batch, self._encode(batch), strict=True))
        return np.array([self._known[text] for text in texts])

    @torch.inference_mode()
    def _encode(self, batch: list[str]) -> NDArray[np.float64]:
        given = self._tokenizer(
            batch,
            padding=True,
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        )
        states = self._model(**given).last_hidden_state
        mask = given["attention_mask"][..., None]
        means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return normalize(means, dim=1).double().numpy()
