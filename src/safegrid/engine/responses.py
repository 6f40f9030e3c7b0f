"""Answers to requests, worked out by a model, in the words of vLLM's HTTP API."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from safegrid.engine.beams import search
from safegrid.engine.decode import GrowingAnswer, Ranked, generate
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import (
    ClassifyRequest,
    CompletionRequest,
    EmbeddingRequest,
)
from safegrid.engine.scoring import Question, Scored, classify, embed, score

# What vLLM writes for a log-probability of minus infinity.
LEAST = -9999.0

Body = dict[str, Any]
Check = Callable[[], None]


def complete(model: LoadedModel, request: CompletionRequest, check: Check) -> Body:
    """Generate answers, score prompts (`echo`), or read tokens after each prompt.

    Args:
        model: a causal model.
        request: checked against the model already.
        check: called again and again while it works; raises to stop.
    """
    if request.logprob_token_ids is not None:
        return _read(model, request, request.logprob_token_ids, check)
    return (
        _echo(model, request, check) if request.echo else _write(model, request, check)
    )


def label(model: LoadedModel, request: ClassifyRequest, check: Check) -> Body:
    """Classify sequences."""
    labels: dict[int, str] = model.network.config.id2label
    rows = classify(model, request.rows, request.use_activation, check)
    data = [
        {
            "index": index,
            "label": labels[max(range(len(row)), key=row.__getitem__)],
            "probs": _finite(row),
            "num_classes": len(row),
        }
        for index, row in enumerate(rows)
    ]
    return {"object": "list", "model": request.model, "data": data}


def vectors(model: LoadedModel, request: EmbeddingRequest, check: Check) -> Body:
    """Embed sequences."""
    data = [
        {"index": index, "object": "embedding", "embedding": _finite(row)}
        for index, row in enumerate(embed(model, request.rows, check))
    ]
    return {"object": "list", "model": request.model, "data": data}


def _write(model: LoadedModel, request: CompletionRequest, check: Check) -> Body:
    prompts = [prompt for prompt in request.prompts for _ in range(request.n)]
    if request.beams is not None:
        answers = search(model, prompts, request.beams, request.max_tokens, check)
    else:
        seeds, top = request.row_seeds, request.logprobs
        answers = generate(model, prompts, seeds, request.sampling, top, check)
    choices = []
    for prompt, answer in zip(prompts, answers, strict=True):
        text = model.tokenizer.decode(answer.ids)
        if answer.stop is not None:
            text = text[: text.index(answer.stop)]
        choice = _choice(request, prompt, answer.ids, text, answer)
        if request.logprobs is not None:
            choice["logprobs"] = _logprobs(
                model, request, answer.ids, answer.logprobs, answer.best
            )
        choices.append(choice)
    return _completion(request, choices, sum(len(answer.ids) for answer in answers))


def _echo(model: LoadedModel, request: CompletionRequest, check: Check) -> Body:
    """Score prompts, each with at most one generated token."""
    starts = request.logprobs_from or [1] * len(request.prompts)
    questions = [
        Question(prompt, start, ahead=request.max_tokens == 1)
        for prompt, start in zip(request.prompts, starts, strict=True)
    ]
    scores = score(model, questions, request.logprobs or 0, check)
    choices = []
    for prompt, scored in zip(request.prompts, scores, strict=True):
        made = [token for token, _ in scored.ahead[:1]]
        ids = prompt + made
        choice = _choice(request, prompt, made, model.tokenizer.decode(ids))
        if request.logprobs is not None:
            unscored = len(prompt) - len(scored.logprobs)
            values = [None] * unscored + scored.logprobs
            best = [None] * unscored + scored.best
            if scored.ahead:
                values.append(scored.ahead[0][1])
                best.append(scored.ahead[: request.logprobs])
            choice["logprobs"] = _logprobs(model, request, ids, values, best)
        choices.append(choice)
    return _completion(request, choices, sum(bool(scored.ahead) for scored in scores))


def _read(
    model: LoadedModel,
    request: CompletionRequest,
    tokens: Sequence[int],
    check: Check,
) -> Body:
    """Give tokens' log-probabilities after each prompt, and the likeliest token."""
    questions = [
        Question([*prompt, token], len(prompt), ahead=False)
        for prompt in request.prompts
        for token in tokens
    ]
    scores = score(model, questions, 1, check)
    choices = []
    for index, prompt in enumerate(request.prompts):
        found: list[Scored] = scores[index * len(tokens) : (index + 1) * len(tokens)]
        read = [(t, s.logprobs[0]) for t, s in zip(tokens, found, strict=True)]
        best, value = found[0].best[0][0]
        choice = _choice(request, prompt, [best], model.tokenizer.decode([best]))
        choice["logprobs"] = _logprobs(model, request, [best], [value], [read])
        choices.append(choice)
    return _completion(request, choices, len(choices))


def _finite(row: Sequence[float]) -> list[float | None]:
    # A bound in the place of infinity would be a score like any other.
    return [value if math.isfinite(value) else None for value in row]


def _choice(
    request: CompletionRequest,
    prompt: list[int],
    made: list[int],
    text: str,
    answer: GrowingAnswer | None = None,
) -> Body:
    finish, stop = ("length", None) if answer is None else (answer.finish, answer.stop)
    choice: Body = {"text": text, "finish_reason": finish, "stop_reason": stop}
    if request.return_token_ids:
        choice |= {"token_ids": made, "prompt_token_ids": prompt}
    return choice


def _completion(request: CompletionRequest, choices: list[Body], made: int) -> Body:
    read = sum(map(len, request.prompts))
    return {
        "object": "text_completion",
        "model": request.model,
        "choices": [{"index": i, **choice} for i, choice in enumerate(choices)],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": made,
            "total_tokens": read + made,
        },
    }


def _logprobs(
    model: LoadedModel,
    request: CompletionRequest,
    ids: Sequence[int],
    values: Sequence[float | None],
    best: Sequence[Ranked | None],
) -> Body:
    """Return the block of log-probabilities, one entry a token.

    Readers compare a token's value with the greatest of `top_logprobs` to see whether
    it was the likeliest, so both are the very same number.
    """

    def name(token: int) -> str:
        if request.return_tokens_as_token_ids:
            return f"token_id:{token}"
        return model.tokenizer.decode([token], skip_special=False)

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
        "token_logprobs": [
            # JSON holds neither what is no number nor infinity.
            None if value is None or math.isnan(value) else max(value, LEAST)
            for value in values
        ],
        "top_logprobs": tops,
    }
