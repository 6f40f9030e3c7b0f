"""Answers to requests, worked out by a model, in the words of vLLM's HTTP API."""

import math
from collections.abc import Sequence
from typing import Any

from safegrid.engine.beams import search
from safegrid.engine.decode import Answer, generate
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import (
    ClassifyRequest,
    CompletionRequest,
    EmbeddingRequest,
)
from safegrid.engine.scoring import Question, classify, embed, score

# What vLLM writes for a log-probability of minus infinity.
LEAST = -9999.0

Body = dict[str, Any]


def complete(model: LoadedModel, request: CompletionRequest) -> Body:
    """Generate answers, score prompts (`echo`), or read tokens after each prompt."""
    if request.logprob_token_ids is not None:
        answers = _read(model, request.prompts, request.logprob_token_ids)
    elif request.echo:
        answers = _echo(model, request)
    elif request.num_beams > 1:
        answers = search(model, request)
    else:
        answers = generate(model, request)
    read = sum(map(len, request.prompts))
    made = sum(len(answer.ids) for answer in answers)
    return {
        "object": "text_completion",
        "model": request.model,
        "choices": [
            {"index": i, **_choice(model, request, answer)}
            for i, answer in enumerate(answers)
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": made,
            "total_tokens": read + made,
        },
    }


def label(model: LoadedModel, request: ClassifyRequest) -> Body:
    """Classify sequences."""
    labels: dict[int, str] = model.network.config.id2label
    data = [
        {
            "index": index,
            "label": labels[max(range(len(row)), key=row.__getitem__)],
            "probs": _finite(row),
            "num_classes": len(row),
        }
        for index, row in enumerate(
            classify(model, request.rows, request.use_activation)
        )
    ]
    return {"object": "list", "model": request.model, "data": data}


def vectors(model: LoadedModel, request: EmbeddingRequest) -> Body:
    """Embed sequences."""
    data = [
        {"index": index, "object": "embedding", "embedding": _finite(row)}
        for index, row in enumerate(embed(model, request.rows))
    ]
    return {"object": "list", "model": request.model, "data": data}


def _finite(row: Sequence[float]) -> list[float | None]:
    # A bound in the place of infinity would be a score like any other.
    return [value if math.isfinite(value) else None for value in row]


def _echo(model: LoadedModel, request: CompletionRequest) -> list[Answer]:
    """Score prompts, each with at most one generated token."""
    starts = request.logprobs_from or [1] * len(request.prompts)
    questions = [
        Question(prompt, start, ahead=request.max_tokens == 1)
        for prompt, start in zip(request.prompts, starts, strict=True)
    ]
    answers = []
    scores = score(model, questions, request.logprobs or 0)
    for prompt, scored in zip(request.prompts, scores, strict=True):
        unscored = [None] * (len(prompt) - len(scored.logprobs))
        made = scored.ahead[:1]
        best = [scored.ahead[: request.logprobs]] if made else []
        answers.append(
            Answer(
                prompt,
                ids=[token for token, _ in made],
                finish="length",
                logprobs=[*unscored, *scored.logprobs, *(value for _, value in made)],
                best=[*unscored, *scored.best, *best],
            )
        )
    return answers


def _read(
    model: LoadedModel, prompts: Sequence[list[int]], tokens: Sequence[int]
) -> list[Answer]:
    """Give tokens' log-probabilities after each prompt, and the likeliest token."""
    questions = [
        Question([*prompt, token], len(prompt), ahead=False)
        for prompt in prompts
        for token in tokens
    ]
    scores = iter(score(model, questions, 1))
    answers = []
    for prompt in prompts:
        found = [(token, next(scores)) for token in tokens]
        best, value = found[0][1].best[0][0]
        read = [(token, scored.logprobs[0]) for token, scored in found]
        answers.append(Answer(prompt, [best], "length", None, [value], [read]))
    return answers


def _choice(model: LoadedModel, request: CompletionRequest, answer: Answer) -> Body:
    shown = answer.prompt + answer.ids if request.echo else answer.ids
    text = model.tokenizer.decode(shown)
    if answer.stop is not None:
        text = text[: text.index(answer.stop)]
    choice: Body = {
        "text": text,
        "finish_reason": answer.finish,
        "stop_reason": answer.stop,
    }
    if request.return_token_ids:
        choice |= {"token_ids": answer.ids, "prompt_token_ids": answer.prompt}
    if request.logprobs is not None:
        choice["logprobs"] = _logprobs(model, request, shown, answer)
    return choice


def _logprobs(
    model: LoadedModel, request: CompletionRequest, ids: Sequence[int], answer: Answer
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
    for token, value, ranked in zip(ids, answer.logprobs, answer.best, strict=True):
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
            for value in answer.logprobs
        ],
        "top_logprobs": tops,
    }
