"""Answers of several beams, searched by code of others, the best one of each.

The code is what transformers' `generate` takes as `custom_generate`: it is handed the
model, a chunk of prompts padded on the left, and the number of beams. It decides what
the best answer is. Here is checked that it gives one for each prompt; and, when an
engine starts, that it uses the model as this version of transformers wants it. Code of
another version may go on from a cache that it takes for another one, without an error.
"""

from collections.abc import Callable, Container
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from safegrid.core.errors import EngineError
from safegrid.engine.batches import cut, pad
from safegrid.engine.decode import Answer
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import CompletionRequest, RefusedError
from safegrid.engine.scoring import Question, Scored, score

# The prompts of the check in tokens, and how many tokens are searched for.
LENGTHS, MOST = (5, 9), 8
# Nats that a token may be less likely than the likeliest: rounding, not another prefix.
ROUNDING = {torch.float32: 0.01, torch.bfloat16: 0.5}


class _Check(StoppingCriteria):
    """Looks before every step whether anybody still waits; ends no answer itself."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        self._check()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@torch.inference_mode()
def search(model: LoadedModel, request: CompletionRequest) -> list[Answer]:
    """Answer prompts in fixed chunks; all beams of a chunk stay in its bounds.

    Raises:
        RefusedError: the model was loaded without code that searches, or what it gives
            is no answer.
    """
    if model.search is None:
        raise RefusedError(
            "this engine was started without code that searches in beams; expected"
            " num_beams 1"
        )
    answers = [Answer(prompt) for prompt in request.prompts]
    lengths = [len(answer.prompt) + request.max_tokens for answer in answers]
    rows = max(1, model.batch_size // request.num_beams)
    for chunk in cut(lengths, rows, model.max_batch_tokens // request.num_beams):
        begun = [answers[index].prompt for index in chunk]
        ids, mask = pad(begun, True, model.device, model.pad_id)
        found = _generate(model, ids, mask, request)
        for index, row in zip(chunk, _written(ids, found), strict=True):
            _end(answers[index], row, model, request.max_tokens)
    return answers


def check_search(model: LoadedModel) -> None:
    """Check that the code finds the likeliest tokens where groups are not kept apart.

    Raises:
        EngineError: it does not.
    """
    known = {*model.ends, model.pad_id}
    words = [token for token in range(model.vocabulary) if token not in known]
    prompts = [[words[7 * i % len(words)] for i in range(n)] for n in LENGTHS]
    # Two groups that next to nothing keeps apart: each of them is a greedy search.
    request = CompletionRequest(
        model="",
        prompt=prompts,
        max_tokens=MOST,
        temperature=0.0,
        num_beams=2,
        num_beam_groups=2,
        diversity_penalty=1e-6,
    )
    asked = [
        Question([*answer.prompt, *answer.ids], len(answer.prompt), ahead=False)
        for answer in search(model, request)
    ]
    scores = score(model, asked, 1)
    below = max(_below(scored, model.ends) for scored in scores)
    if below > ROUNDING[model.network.dtype]:
        raise EngineError(
            f"{model.search}: groups that nothing keeps apart do not find the likeliest"
            f" tokens (one lies {below:.2g} nats below); this code is of another"
            " version of transformers, or no diverse beam search"
        )


def _below(scored: Scored, ends: Container[int]) -> float:
    """Return how many nats an answer's tokens lie below the likeliest, at most.

    Places behind one where an answer may end are left out: how an ended beam is
    weighed against longer ones is the code's own.
    """
    most = 0.0
    for logprob, ((token, highest),) in zip(scored.logprobs, scored.best, strict=True):
        most = max(most, highest - logprob)
        if token in ends:
            break
    return most


def _generate(
    model: LoadedModel,
    ids: torch.Tensor,
    mask: torch.Tensor,
    request: CompletionRequest,
) -> Any:
    # What a checkpoint recommends (Qwen 2: a repetition penalty) fills what is not
    # given, so it is put aside: a study says how its answers are found.
    model.network.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    return model.network.generate(
        ids,
        attention_mask=mask,
        custom_generate=str(model.search),
        trust_remote_code=True,
        stopping_criteria=StoppingCriteriaList([_Check(model.check)]),
        do_sample=False,
        num_beams=request.num_beams,
        num_beam_groups=request.num_beam_groups,
        diversity_penalty=request.diversity_penalty,
        num_return_sequences=1,
        max_new_tokens=request.max_tokens,
        eos_token_id=sorted(model.ends),
        pad_token_id=model.pad_id,
    )


def _written(ids: torch.Tensor, found: Any) -> list[list[int]]:
    """Return what stands behind each prompt, fillings included."""
    sequences = getattr(found, "sequences", found)
    width = ids.shape[1]
    good = isinstance(sequences, torch.Tensor) and len(sequences) == len(ids)
    if not good or not torch.equal(sequences[:, :width], ids):
        raise RefusedError(
            "the code that searches in beams gave no tensor with one row for each"
            " prompt that begins with it; is it of another version of transformers?"
        )
    rows: list[list[int]] = sequences[:, width:].tolist()
    return rows


def _end(answer: Answer, row: list[int], model: LoadedModel, max_tokens: int) -> None:
    """Give an answer its row up to an end token; one without is of full length."""
    ends = [place for place, token in enumerate(row) if token in model.ends]
    if ends:
        answer.ids, answer.finish = row[: ends[0] + 1], "stop"
    elif len(row) == max_tokens:
        answer.ids, answer.finish = row, "length"
    else:
        raise RefusedError(
            f"the code that searches in beams gave an answer of {len(row)} tokens"
            f" without an end token; expected one, or {max_tokens} tokens"
        )
