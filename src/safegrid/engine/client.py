"""Client of a completions API (vLLM's HTTP API), without torch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from safegrid.config.engine import BeamDecode, Decode
from safegrid.core.errors import EngineError
from safegrid.engine.calls import MOST_ROWS, PARALLEL, UsageCounter, send
from safegrid.runtime.devices import UNKNOWN

if TYPE_CHECKING:
    from safegrid.engine.identity import Identity

Ids = Sequence[int]
Values = Literal["classify", "logits", "embed"]
"""Probabilities of a classifier's labels, its outputs as they are, or vectors."""
REQUESTS: dict[Values, tuple[str, dict[str, Any], str]] = {
    "classify": ("/classify", {}, "probs"),
    "logits": ("/classify", {"use_activation": False}, "probs"),
    "embed": ("/v1/embeddings", {}, "embedding"),
}


class Completion(NamedTuple):
    """An answer of a model.

    Attributes:
        text_ids: its tokens without the end token; empty where `finish` is `error`.
        finish: `eos`, `length`, or `error` for a prompt that the model cannot hold.
        n_tokens: tokens that were generated, the end token included.
        text: as the engine decodes it, cut before a stop string if one ended it.
    """

    text_ids: list[int]
    finish: str
    n_tokens: int
    text: str = ""


TOO_LONG = Completion([], "error", 0)


@dataclass
class Engine:
    """A running engine, as a lease gives it.

    Every method takes rows of token ids and gives one answer a row, in their order.
    A row that the model's context cannot hold is not sent; it gets `TOO_LONG`, NaN or
    nothing, so that a cell has a row for every item. Anything else that goes wrong is
    an EngineError.

    Attributes:
        url: base URL; `{url}/v1/completions` is where other clients can ask.
        max_length: the model's context in tokens, or None if the engine does not say.
        ours: whether it is our engine, which understands more than vLLM does.
        why_gone: what to add to a message when the engine is gone.
        usage: what was asked of it, and in how many seconds.
    """

    url: str
    key: str | None
    model: str
    max_length: int | None
    identity: "Identity"
    ours: bool
    why_gone: Callable[[], str] = lambda: ""
    device: str = UNKNOWN

    def __post_init__(self) -> None:
        self.usage = UsageCounter(self.device)

    def complete(
        self, ids: Sequence[Ids], decode: Decode, seeds: Sequence[int]
    ) -> list[Completion]:
        """Ask for one answer to each prompt, drawn from its seed.

        For several samples a prompt is given again with another seed. A draw of our
        engine in float32 depends on its prompt and seed alone.
        """
        body = {
            "max_tokens": decode.max_new_tokens,
            "temperature": decode.temperature,
            "top_p": decode.top_p,
            "top_k": decode.top_k if decode.top_k else -1,
            "frequency_penalty": decode.frequency_penalty,
            "stop": decode.stop,
            "return_token_ids": True,
        }
        if isinstance(decode, BeamDecode):
            body |= {
                "num_beams": decode.width,
                "num_beam_groups": decode.beams.groups,
                "diversity_penalty": decode.beams.penalty,
            }
        fit = [i for i, row in enumerate(ids) if self._fits(row, decode.max_new_tokens)]
        prompts, kept = [list(ids[i]) for i in fit], [seeds[i] for i in fit]
        if decode.temperature == 0:
            choices = self._choices(prompts, body | {"seed": 0})
        elif self.ours:
            choices = self._choices(prompts, body, seeds=kept)
        else:
            choices = self._one_by_one(prompts, body, kept)
        completions = [TOO_LONG] * len(ids)
        for i, choice in zip(fit, choices, strict=True):
            completions[i] = _completion(choice)
        return completions

    def label_logprobs(
        self, ids: Sequence[Ids], labels: Sequence[Ids]
    ) -> list[list[float]]:
        """Return log P(label | prompt), a row a prompt and a column a label, in nats.

        Labels of one token are read together from the place after the prompt, which
        costs one forward. What is left (labels of several tokens, servers that do not
        know `logprob_token_ids`) is appended to the prompt and scored.
        """
        single = list(dict.fromkeys(label[0] for label in labels if len(label) == 1))
        if self.ours and any(len(label) > 1 for label in labels):
            # It reads a prompt once for all rows that it is the beginning of.
            single = []
        read = self._next_logprobs(ids, single) if single else [{} for _ in ids]
        found = [
            [values.get(label[0]) if len(label) == 1 else None for label in labels]
            for values in read
        ]
        places = [
            (i, j)
            for i, row in enumerate(found)
            for j, value in enumerate(row)
            if value is None
        ]
        rows = [[*ids[i], *labels[j]] for i, j in places]
        tails = self.sequence_logprobs(rows, [len(ids[i]) for i, _ in places])
        for (i, j), tail in zip(places, tails, strict=True):
            found[i][j] = sum(tail)
        return [[_number(value) for value in row] for row in found]

    def sequence_logprobs(
        self, ids: Sequence[Ids], n_context: Sequence[int]
    ) -> list[list[float]]:
        """Return the log-probability of every token after the context, in nats.

        Of each whole sequence so many tokens at its start, at least 1, are context.
        """
        if n_context and min(n_context) < 1:
            raise EngineError("the first token of a sequence has no log-probability")
        room = 0 if self.ours else 1
        fit = [i for i, row in enumerate(ids) if self._fits(row, room)]
        fit = [i for i in fit if len(ids[i]) > n_context[i]]
        # Other engines generate a token in any case; some fail when asked for none.
        body = {"max_tokens": room, "temperature": 0.0, "echo": True}
        body |= {"logprobs": 0 if self.ours else 1, "return_tokens_as_token_ids": True}
        rows = [list(ids[i]) for i in fit]
        starts = {"logprobs_from": [n_context[i] for i in fit]} if self.ours else {}
        choices = self._choices(rows, body, **starts)
        tails = [
            [float("nan")] * (len(row) - context)
            for row, context in zip(ids, n_context, strict=True)
        ]
        for i, choice in zip(fit, choices, strict=True):
            values = choice["logprobs"]["token_logprobs"][n_context[i] : len(ids[i])]
            tails[i] = [_number(value) for value in values]
        return tails

    def _next_logprobs(
        self, ids: Sequence[Ids], tokens: Sequence[int]
    ) -> list[dict[int, float]]:
        """Return log-probabilities of tokens after each prompt, as far as told."""
        fit = [i for i, row in enumerate(ids) if self._fits(row, 1)]
        body = {
            **{"max_tokens": 1, "temperature": 0.0, "logprobs": 1},
            "logprob_token_ids": list(tokens),
            "return_tokens_as_token_ids": True,
        }
        found: list[dict[int, float]] = [{} for _ in ids]
        choices = self._choices([list(ids[i]) for i in fit], body)
        for i, choice in zip(fit, choices, strict=True):
            told = (choice["logprobs"]["top_logprobs"] or [None])[0] or {}
            named = {token: told.get(f"token_id:{token}") for token in tokens}
            found[i] = {t: value for t, value in named.items() if value is not None}
        return found

    def values(self, name: Values, ids: Sequence[Ids]) -> list[list[float]]:
        """Return a classifier's or encoder's values of each row, in its config's order.

        NaN is what the model itself gave that is no finite number; a row that its
        context cannot hold has no values at all.
        """
        path, settings, field = REQUESTS[name]
        fit = [i for i, row in enumerate(ids) if self._fits(row, 0)]
        results: list[list[float]] = [[] for _ in ids]
        for part in _parts(fit):
            body = {"model": self.model, "input": [list(ids[i]) for i in part]}
            data = sorted(
                self.post(path, body | settings)["data"], key=itemgetter("index")
            )
            for i, item in zip(part, data, strict=True):
                results[i] = [_number(value) for value in item[field]]
        return results

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request; an EngineError says why it is refused or not answered."""
        url = self.url + path
        with self.usage.running():
            reply = send("POST", url, self.key, body, self.why_gone)
        self.usage.count(body, reply.body, reply.worked)
        return reply.body

    def _fits(self, row: Ids, room: int) -> bool:
        return self.max_length is None or len(row) + room <= self.max_length

    def _choices(
        self, prompts: Sequence[Ids], body: dict[str, Any], **each: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Ask for a choice a prompt; `each` holds fields with a value a prompt."""
        choices: list[dict[str, Any]] = []
        for part in _parts(range(len(prompts))):
            own = {name: [values[i] for i in part] for name, values in each.items()}
            sent = {"model": self.model, "prompt": [prompts[i] for i in part]}
            answer = self.post("/v1/completions", sent | body | own)
            choices += sorted(answer["choices"], key=itemgetter("index"))
        return choices

    def _one_by_one(
        self, prompts: Sequence[Ids], body: dict[str, Any], seeds: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Ask for each prompt apart: vLLM gives all prompts of a list one seed."""

        def ask(pair: tuple[Ids, int]) -> dict[str, Any]:
            return self._choices([pair[0]], body | {"seed": pair[1]})[0]

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(ask, zip(prompts, seeds, strict=True)))


def _completion(choice: dict[str, Any]) -> Completion:
    ids, finish = choice["token_ids"], choice["finish_reason"]
    if finish not in ("stop", "length"):
        raise EngineError(f"an answer ended with {finish!r}; expected stop or length")
    # A stop without a stop string is an end token, which is no part of the text.
    ended = finish == "stop" and not isinstance(choice.get("stop_reason"), str)
    text_ids = ids[:-1] if ended else ids
    word = "eos" if finish == "stop" else "length"
    return Completion(text_ids, word, len(ids), choice["text"])


def _parts(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[i : i + MOST_ROWS] for i in range(0, len(numbers), MOST_ROWS)]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
