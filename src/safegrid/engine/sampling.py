"""Drawing the next token; a row's draw depends on its own seed and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn, in the words of vLLM's API.

    Attributes:
        max_tokens: most tokens of an answer, its end token included.
        temperature: 0 takes the likeliest token.
        top_p: keep the likeliest tokens up to this probability (Holtzman et al. 2020).
        top_k: keep this many of the likeliest tokens; 0 keeps all.
        frequency_penalty: subtracted from a logit per earlier occurrence in the answer.
        stop: strings at which an answer ends.
        ignore_eos: go on after an end token, to measure speed.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


def uniforms(seeds: Sequence[int], count: int) -> torch.Tensor:
    """Return numbers in [0, 1) of (rows, count), a row's from its own seed; float64."""
    rows = [
        torch.rand(
            count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        for seed in seeds
    ]
    return torch.stack(rows)


def penalize(
    logits: torch.Tensor, counts: torch.Tensor, frequency_penalty: float
) -> torch.Tensor:
    """Lower logits of tokens that stand in the answer; all of (rows, vocabulary)."""
    return logits - frequency_penalty * counts


def draw(
    logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor
) -> torch.Tensor:
    """Draw one token a row by inverting its cumulative distribution.

    The order is that of the vocabulary, not of the probabilities: there a tiny
    numerical difference moves a boundary by as little, where it could swap two tokens
    in a sorted list.

    Args:
        logits: float32 of (rows, vocabulary), penalties applied.
        sampling: how to draw.
        uniform: float64 of (rows), in [0, 1).

    Returns:
        Ids, int64 of (rows).
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = _keep_top_k(logits / sampling.temperature, sampling.top_k)
    chances = _keep_top_p(logits.softmax(dim=-1), sampling.top_p).double()
    rising = chances.cumsum(dim=-1)
    total = rising[:, -1]
    # Rounding must not reach the total, beyond the last token of any probability.
    target = torch.minimum(uniform * total, torch.nextafter(total, total * 0))
    tokens = torch.searchsorted(rising, target[:, None], right=True).squeeze(1)
    # A broken model's NaN would give an id that the next step cannot look up.
    return tokens.clamp(max=logits.shape[-1] - 1)


def _keep_top_k(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    if top_k == 0 or top_k >= logits.shape[-1]:
        return logits
    least = logits.topk(top_k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def _keep_top_p(chances: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero what lies outside the smallest set of at least `top_p` probability."""
    if top_p >= 1:
        return chances
    falling, order = chances.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(dim=-1) - falling
    kept = falling.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(chances).scatter(-1, order, kept)
