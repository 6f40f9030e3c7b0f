"""Answers in the words of vLLM's HTTP API."""

import math
from collections.abc import Sequence
from typing import Any

from safegrid.engine.decode import Answer
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import CompletionRequest
from safegrid.engine.scoring import Ranked, Scored
from safegrid.models.templates import ChatTokenizer

# What vLLM writes for a log-probability of minus infinity.
LEAST = -9999.0


def generated(
    model: LoadedModel, request: CompletionRequest, answers: Sequence[Answer]
) -> dict[str, Any]:
    """Return the body for generated answers."""
    choices = []
    for index, answer in enumerate(answers):
        text = model.tokenizer.decode(answer.ids)
        if answer.stop is not None:
            text = text[: text.index(answer.stop)]
        choice = _choice(index, text, answer.finish, answer.stop)
        if request.return_token_ids:
            choice["token_ids"] = answer.ids
            choice["prompt_token_ids"] = request.prompts[index // request.n]
        if request.logprobs is not None:
            choice["logprobs"] = _logprobs(
                model.tokenizer, request, answer.ids, answer.logprobs, answer.best
            )
        choices.append(choice)
    return _completion(request, choices, sum(len(answer.ids) for answer in answers))


def echoed(
    model: LoadedModel, request: CompletionRequest, scores: Sequence[Scored]
) -> dict[str, Any]:
    """Return the body for scored prompts, each with at most one generated token."""
    choices = []
    for index, (prompt, scored) in enumerate(zip(request.prompts, scores, strict=True)):
        ids = prompt + [token for token, _ in scored.ahead[:1]]
        choice = _choice(index, model.tokenizer.decode(ids), "length", None)
        if request.return_token_ids:
            choice["token_ids"] = ids[len(prompt) :]
            choice["prompt_token_ids"] = prompt
        if request.logprobs is not None:
            unscored = len(prompt) - len(scored.logprobs)
            values = [None] * unscored + scored.logprobs
            best = [None] * unscored + scored.best
            if scored.ahead:
                values.append(scored.ahead[0][1])
                best.append(scored.ahead[: request.logprobs])
            choice["logprobs"] = _logprobs(model.tokenizer, request, ids, values, best)
        choices.append(choice)
    return _completion(request, choices, sum(bool(scored.ahead) for scored in scores))


def next_tokens(
    model: LoadedModel, request: CompletionRequest, scores: Sequence[Scored]
) -> dict[str, Any]:
    """Return the body for `logprob_token_ids`: the likeliest token, the values of all.

    Args:
        model: whose tokenizer names tokens.
        request: names the prompts and the tokens.
        scores: one a prompt and token, with the likeliest token of its place.
    """
    tokens = request.logprob_token_ids or []
    choices = []
    for index, prompt in enumerate(request.prompts):
        found = scores[index * len(tokens) : (index + 1) * len(tokens)]
        read = [(t, s.logprobs[0]) for t, s in zip(tokens, found, strict=True)]
        best, value = found[0].best[0][0]
        choice = _choice(index, model.tokenizer.decode([best]), "length", None)
        if request.return_token_ids:
            choice["token_ids"] = [best]
            choice["prompt_token_ids"] = prompt
        choice["logprobs"] = _logprobs(
            model.tokenizer, request, [best], [value], [read]
        )
        choices.append(choice)
    return _completion(request, choices, len(choices))


def classified(
    name: str, labels: dict[int, str], rows: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Return the body for classified sequences."""
    data = [
        {
            "index": index,
            "label": labels[max(range(len(row)), key=row.__getitem__)],
            # A bound in the place of infinity would be a score like any other.
            "probs": [value if math.isfinite(value) else None for value in row],
            "num_classes": len(row),
        }
        for index, row in enumerate(rows)
    ]
    return {"object": "list", "model": name, "data": data}


def embedded(name: str, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the body for vectors of sequences."""
    data = [
        {
            "index": index,
            "object": "embedding",
            "embedding": [value if math.isfinite(value) else None for value in row],
        }
        for index, row in enumerate(rows)
    ]
    return {"object": "list", "model": name, "data": data}


def _number(value: float) -> float | None:
    """Return what JSON can hold: null for what is no number, a bound for infinity."""
    return None if math.isnan(value) else max(value, LEAST)


def _completion(
    request: CompletionRequest, choices: list[dict[str, Any]], made: int
) -> dict[str, Any]:
    read = sum(map(len, request.prompts))
    return {
        "object": "text_completion",
        "model": request.model,
        "choices": choices,
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": made,
            "total_tokens": read + made,
        },
    }


def _choice(index: int, text: str, finish: str, stop: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": finish, "stop_reason": stop}


def _logprobs(
    tokenizer: ChatTokenizer,
    request: CompletionRequest,
    ids: Sequence[int],
    values: Sequence[float | None],
    best: Sequence[Ranked | None],
) -> dict[str, Any]:
    """Return the block of log-probabilities, one entry a token.

    Readers compare a token's value with the greatest of `top_logprobs` to see whether
    it was the likeliest, so both are the very same number.
    """

    def name(token: int) -> str:
        if request.return_tokens_as_token_ids:
            return f"token_id:{token}"
        return tokenizer.decode([token], skip_special=False)

    tops: list[dict[str, float] | None] = []
    for token, value, ranked in zip(ids, values, best, strict=True):
        if value is None or ranked is None or math.isnan(value):
            tops.append(None)
            continue
        top: dict[str, float] = {}
        # Two ids can have one text; the likelier one must not be overwritten.
        for other, logprob in [*ranked, (token, value)]:
            top[name(other)] = max(logprob, top.get(name(other), LEAST))
        tops.append(top)
    return {
        "tokens": [name(token) for token in ids],
        "token_logprobs": [None if v is None else _number(v) for v in values],
        "top_logprobs": tops,
    }
