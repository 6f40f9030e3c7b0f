"""Answers token by token: a loop with a cache that drops rows as they finish.

transformers' `generate` keeps finished rows to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from safegrid.engine.batches import SharedPrefix, cut, pad
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import CompletionRequest

Ranked = list[tuple[int, float]]
"""Tokens with their log-probabilities, the likeliest first."""


@dataclass
class Answer:
    """An answer, which may still grow.

    Attributes:
        ids: its tokens, an end token included.
        finish: `stop` or `length`, the words of vLLM's API.
        stop: the stop string that ended it.
        logprobs: of the tokens that are read, where that is asked for.
        best: the likeliest tokens of the same places, best first.
    """

    prompt: list[int]
    ids: list[int] = field(default_factory=list)
    finish: str = ""
    stop: str | None = None
    logprobs: Sequence[float | None] = ()
    best: Sequence[Ranked | None] = ()


@torch.inference_mode()
def generate(model: LoadedModel, request: CompletionRequest) -> list[Answer]:
    """Answer a causal model's prompts in fixed chunks; a draw depends on its seed."""
    answers = [Answer(prompt) for prompt in request.prompts]
    lengths = [len(answer.prompt) + request.max_tokens for answer in answers]
    seeds = request.row_seeds
    for chunk in cut(lengths, model.batch_size, model.max_batch_tokens):
        growing = [answers[index] for index in chunk]
        batch = _Batch(model, [answer.prompt for answer in growing])
        drawer = _Drawer([seeds[index] for index in chunk], request, model.device)
        while growing:
            model.check()
            tokens = drawer.draw(batch.logits())
            for answer, token in zip(growing, tokens.tolist(), strict=True):
                answer.ids.append(token)
            going = [
                number
                for number, answer in enumerate(growing)
                if not _is_finished(model, answer, request)
            ]
            if len(going) < len(growing):
                growing = [growing[number] for number in going]
                tokens = tokens[going]
                batch.keep(going)
                drawer.keep(going)
            batch.append(tokens)
    return answers


def uniforms(seeds: Sequence[int], count: int) -> torch.Tensor:
    """Return numbers in [0, 1) of (rows, count), a row's from its own seed; float64."""
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack(
        [torch.rand(count, generator=one, dtype=torch.float64) for one in sources]
    )


def draw(
    logits: torch.Tensor, request: CompletionRequest, uniform: torch.Tensor
) -> torch.Tensor:
    """Draw one token a row, int64 of (rows), by inverting its cumulative distribution.

    The order is that of the vocabulary, not of the probabilities: there a tiny
    numerical difference moves a boundary by as little, where it could swap two tokens
    in a sorted list. `logits` are float32 of (rows, vocabulary), `uniform` float64 of
    (rows), in [0, 1).
    """
    if request.temperature == 0:
        return logits.argmax(dim=-1)
    logits = _keep_top_k(logits / request.temperature, request.top_k)
    chances = _keep_top_p(logits.softmax(dim=-1), request.top_p).double()
    rising = chances.cumsum(dim=-1)
    total = rising[:, -1]
    # Rounding must not reach the total, beyond the last token of any probability.
    target = torch.minimum(uniform * total, torch.nextafter(total, total * 0))
    tokens = torch.searchsorted(rising, target[:, None], right=True).squeeze(1)
    # A broken model's NaN would give an id that the next step cannot look up.
    return tokens.clamp(max=logits.shape[-1] - 1)


def _keep_top_k(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    if not 0 < top_k < logits.shape[-1]:
        return logits
    least = logits.topk(top_k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def _keep_top_p(chances: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero what lies outside the smallest set of at least `top_p` probability.

    Holtzman et al. 2020, arXiv 1904.09751.
    """
    if top_p >= 1:
        return chances
    falling, order = chances.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(dim=-1) - falling
    kept = falling.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(chances).scatter(-1, order, kept)


class _Batch:
    """The rows of a chunk that still grow, padded after what all of them begin with."""

    def __init__(self, model: LoadedModel, prompts: Sequence[Sequence[int]]) -> None:
        self._model = model
        prefix = SharedPrefix(model, prompts, min(map(len, prompts)) - 1)
        rest = [prompt[prefix.length :] for prompt in prompts]
        self._ids, mask = pad(rest, left=True, device=model.device)
        self._positions = prefix.length + (mask.cumsum(1) - 1).clamp(min=0)
        self._mask = torch.cat([mask.new_ones(len(rest), prefix.length), mask], 1)
        self._cache = prefix.cache

    def logits(self) -> torch.Tensor:
        """Return the next token's logits, float32 of (rows, vocabulary)."""
        output = self._model.network(
            self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these."""
        index = torch.tensor(rows, dtype=torch.int64, device=self._model.device)
        if len(rows):
            self._cache.batch_select_indices(index)
        self._mask = self._mask[index]
        self._positions = self._positions[index]

    def append(self, tokens: torch.Tensor) -> None:
        """Give every row its next token."""
        self._ids = tokens[:, None]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], 1)
        self._positions = self._positions[:, -1:] + 1


class _Drawer:
    """What drawing needs to remember of every row."""

    def __init__(
        self, seeds: Sequence[int], request: CompletionRequest, device: torch.device
    ) -> None:
        self._request = request
        self._step = 0
        drawn = 0 if request.temperature == 0 else request.max_tokens
        self._uniforms = uniforms(seeds, drawn).to(device)
        # How often a token stands in the answer, float32 of (rows, vocabulary).
        self._counts: torch.Tensor | None = None

    def draw(self, logits: torch.Tensor) -> torch.Tensor:
        """Draw every row's next token from its logits."""
        penalty = self._request.frequency_penalty
        if penalty and self._counts is None:
            self._counts = torch.zeros_like(logits)
        if self._counts is not None:
            logits = logits - penalty * self._counts
        column = slice(self._step, self._step + 1)
        tokens = draw(logits, self._request, self._uniforms[:, column].flatten())
        self._step += 1
        if self._counts is not None:
            one = self._counts.new_ones(len(tokens), 1)
            self._counts.scatter_add_(1, tokens[:, None], one)
        return tokens

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these."""
        index = torch.tensor(rows, dtype=torch.int64, device=self._uniforms.device)
        self._uniforms = self._uniforms[index]
        if self._counts is not None:
            self._counts = self._counts[index]


def _is_finished(
    model: LoadedModel, answer: Answer, request: CompletionRequest
) -> bool:
    """Say whether an answer has ended, and note how."""
    if answer.ids[-1] in model.ends:
        answer.finish = "stop"
    elif (stop := _stop_string(model, answer.ids, request.stops)) is not None:
        answer.finish, answer.stop = "stop", stop
    elif len(answer.ids) >= request.max_tokens:
        answer.finish = "length"
    return bool(answer.finish)


def _stop_string(
    model: LoadedModel, ids: Sequence[int], stops: Sequence[str]
) -> str | None:
    """Return the stop string that the last token completed, if any.

    Only an end of the answer is looked at that must hold it: a token brings at least
    one byte, and a few more are kept for special tokens, which bring none.
    """
    if not stops:
        return None
    window = max(len(stop.encode()) for stop in stops) + 8
    text = model.tokenizer.decode(ids[-window:])
    found = [stop for stop in stops if stop in text]
    return min(found, key=text.index) if found else None
