"""Numbers of given sequences: log-probabilities of tokens, classes, vectors."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from safegrid.engine.batches import SharedPrefix, cut, pad
from safegrid.engine.decode import Ranked
from safegrid.engine.model import LoadedModel
from safegrid.engine.prefixes import families

# Positions whose logits are widened to float32 at a time: few, to stay in a cache.
SLICE = 64
# How much longer a row may be than the shortest of its chunk: padding is read in vain.
SPREAD = 0.25


class Question(NamedTuple):
    """A sequence whose tokens from `start` (at least 1) on are to be scored.

    Attributes:
        ids: the whole sequence.
        start: place of the first token to score.
        ahead: ask also for the likeliest token after the sequence.
    """

    ids: Sequence[int]
    start: int
    ahead: bool

    @property
    def read(self) -> tuple[int, ...]:
        """What the model must see: the last token only if something follows it."""
        return tuple(self.ids if self.ahead else self.ids[:-1])


class Scored(NamedTuple):
    """The answer to a question, in nats.

    Attributes:
        logprobs: of the tokens from `start` on.
        best: the likeliest tokens of the same places, best first.
        ahead: the likeliest tokens after the sequence, if asked for.
    """

    logprobs: list[float]
    best: list[Ranked]
    ahead: Ranked


# About what float32 holds of numbers below 1; more digits only fill the caches.
DECIMALS = 7

Asked = list[tuple[int, Question]]


@torch.inference_mode()
def score(model: LoadedModel, questions: Sequence[Question], top: int) -> list[Scored]:
    """Score questions; those that read the same tokens share one forward.

    So the labels of one prompt cost no more than one label: they differ in their last
    token only, which need not be read. `top` of the likeliest tokens are given for
    every place.
    """
    groups: dict[tuple[int, ...], Asked] = {}
    results = [Scored([], [], []) for _ in questions]
    for number, question in enumerate(questions):
        if question.ahead or question.start < len(question.ids):
            groups.setdefault(question.read, []).append((number, question))
    for chunk in _chunks(model, list(groups)):
        model.check()
        asked = [groups[read] for read in chunk]
        for number, scored in _score_chunk(model, asked, top):
            results[number] = scored
    return results


def _chunks(
    model: LoadedModel, sequences: Sequence[tuple[int, ...]]
) -> Iterator[list[tuple[int, ...]]]:
    """Yield the sequences of each forward: of like length, and begun alike."""
    for family in families(sequences):
        lengths = [len(sequences[index]) for index in family]
        for chunk in cut(lengths, model.batch_size, model.max_batch_tokens, SPREAD):
            yield [sequences[family[place]] for place in chunk]


def _score_chunk(
    model: LoadedModel, asked: Sequence[Asked], top: int
) -> list[tuple[int, Scored]]:
    """Score groups of questions; each group reads one sequence."""
    rows = [group[0][1].read for group in asked]
    first = [min(question.start for _, question in group) - 1 for group in asked]
    logits = _logits(model, rows, first)
    norms = torch.cat(
        [part.float().logsumexp(-1) for part in torch.split(logits, SLICE)]
    )
    ahead = any(question.ahead for group in asked for _, question in group)
    ranks = logits.topk(max(top, int(ahead)), dim=-1)
    values = (ranks.values.float() - norms[:, None]).tolist()
    best = [
        list(zip(*pair, strict=True))
        for pair in zip(ranks.indices.tolist(), values, strict=True)
    ]
    results, offset = [], 0
    for row, group, begin in zip(rows, asked, first, strict=True):
        for number, question in group:
            start = offset + question.start - 1 - begin
            span = slice(start, start + len(question.ids) - question.start)
            tokens = torch.tensor(question.ids[question.start :], device=logits.device)
            chosen = logits[span].gather(1, tokens.long()[:, None]).squeeze(1).float()
            scored = Scored(
                (chosen - norms[span]).tolist(),
                [ranked[:top] for ranked in best[span]],
                best[span.stop] if question.ahead else [],
            )
            results.append((number, scored))
        offset += len(row) - begin
    return results


def _logits(
    model: LoadedModel, rows: Sequence[Sequence[int]], first: Sequence[int]
) -> torch.Tensor:
    """Return the logits of every row's places from `first` on, rows one after another.

    They are (places, vocabulary) in the model's dtype. Padding stands on the right,
    where a causal model does not see it, so there is no mask; the head sees only the
    places that are asked for.
    """
    prefix = SharedPrefix(model, rows, min(first))
    rest = [row[prefix.length :] for row in rows]
    ids, mask = pad(rest, left=False, device=model.device)
    places = prefix.length + torch.arange(ids.shape[1], device=model.device)
    begins = torch.tensor(first, device=model.device)
    keep = mask.bool() & (places >= begins[:, None])
    cache = prefix.cache if prefix.length else None
    output = model.network(
        ids,
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=keep,
    )
    logits: torch.Tensor = output.logits
    return logits


def classify(
    model: LoadedModel, rows: Sequence[Sequence[int]], activate: bool
) -> list[list[float]]:
    """Return a value a label for every row of ids, in the order of `id2label`.

    `activate` gives probabilities (the sigmoid where labels do not exclude each other
    or there is one only, else the softmax), not logits.
    """
    config = model.network.config
    several = config.problem_type == "multi_label_classification"

    def values(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model.network(ids, attention_mask=mask).logits.float()
        if not activate:
            return logits
        if several or config.num_labels == 1:
            return logits.sigmoid()
        return logits.softmax(dim=-1)

    return _by_chunk(model, rows, values)


def embed(model: LoadedModel, rows: Sequence[Sequence[int]]) -> list[list[float]]:
    """Return an encoder's vector for every row: the tokens' mean, of length one.

    The pooling is that of sentence-transformers' models (Reimers and Gurevych 2019).
    """

    def values(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = model.network(ids, attention_mask=mask).last_hidden_state.float()
        seen = mask[..., None]
        means = (states * seen).sum(1) / seen.sum(1)
        return normalize(means, dim=1).double().round(decimals=DECIMALS)

    return _by_chunk(model, rows, values)


@torch.inference_mode()
def _by_chunk(
    model: LoadedModel,
    rows: Sequence[Sequence[int]],
    values: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> list[list[float]]:
    results: list[list[float]] = [[] for _ in rows]
    lengths = [len(row) for row in rows]
    for chunk in cut(lengths, model.batch_size, model.max_batch_tokens):
        model.check()
        ids, mask = pad([rows[i] for i in chunk], False, model.device, model.pad_id)
        for index, row in zip(chunk, values(ids, mask).tolist(), strict=True):
            results[index] = row
    return results
