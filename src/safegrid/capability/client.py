"""lm-evaluation-harness's completions client, without transformers and without torch.

The harness's own client fits our engine and vLLM; what is changed here are its traps:

- It sends through the environment's proxies, takes its key from a variable and tells
  little when an engine is gone; here requests go through our engine's client.
- It loads transformers (and with it torch) for a tokenizer; ours is used instead.
- It adds a BOS of its own choice; here ids are those of the chat template, nothing
  added, and each is checked to open with one BOS where the template has one.
- It cuts a prompt that is too long on the left, silently where it generates; here such
  a request is not sent but noted in `too_long`.
- It leaves top_p to the server, which may read the model's own defaults.
- It asks for a value of every token of a context and reads none of them; our engine is
  told where the contexts end.
"""

import copy
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

from safegrid.core.artifacts import read_object
from safegrid.core.errors import EngineError
from safegrid.engine.calls import MOST_ROWS
from safegrid.engine.client import Engine
from safegrid.models.templates import ChatTokenizer

# Where a task sets no limit; the harness's own default.
ANSWER_TOKENS = 256
IMPOSSIBLE = (float("-inf"), False)
PROMPT = "a prompt of lm-evaluation-harness"
RequestKey = tuple[str, str]
ScoreRequest = tuple[tuple[str, str] | None, list[int], list[int]]


def request_key(arguments: Sequence[Any]) -> RequestKey:
    """Name a request by its context and by its continuation or settings."""
    return str(arguments[0]), str(arguments[1])


def context_of(client: Engine, folder: Path) -> int:
    """Return how many tokens the model holds: as its engine says, or its config."""
    if client.max_length is not None:
        return client.max_length
    length = read_object(folder / "config.json").get("max_position_embeddings")
    if not isinstance(length, int):
        raise EngineError(
            f"neither the engine at {client.url} (max_model_len) nor"
            f" {folder / 'config.json'} (max_position_embeddings) says how many tokens"
            " the model holds"
        )
    return length


class EngineModel(LocalCompletionsAPI):  # type: ignore[misc]
    """The model behind an engine, as lm-evaluation-harness sees it.

    Attributes:
        too_long: keys of the requests that do not fit the model's context and were
            not sent; scored as impossible, answered by an empty text.
    """

    def __init__(self, engine: Engine, tokenizer: ChatTokenizer, batch: int) -> None:
        bos, eos = tokenizer.bos_id, tokenizer.eos_id
        super().__init__(
            model=engine.model,
            base_url=engine.url,
            tokenizer_backend=None,
            batch_size=min(batch, MOST_ROWS),
            num_concurrent=1,
            # Our engine's client has already asked again.
            max_retries=1,
            max_length=context_of(engine, tokenizer.folder),
            max_gen_toks=ANSWER_TOKENS,
            # Before a text without context; and among the stop strings.
            custom_prefix_token_id=eos if bos is None else bos,
            eos_string=tokenizer.special_tokens.get("eos_token"),
        )
        self.engine = engine
        self.tokenizer = tokenizer
        self.tokenized_requests = True
        self.too_long: set[RequestKey] = set()
        self._starts: list[int] = []

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render a conversation; without a generation prompt its last turn is open.

        The harness asks for an open turn where a task begins the answer itself.
        """
        if add_generation_prompt:
            return self.tokenizer.render(chat_history, True)
        *before, last = chat_history
        return self.tokenizer.render(before, True) + last["content"]

    def tok_encode(
        self, string: str | Sequence[str], *_: Any, **__: Any
    ) -> list[int] | list[list[int]]:
        """Return the ids of a rendered text, or of each of several."""
        if isinstance(string, str):
            return self.tokenizer.encode(string)
        return [self.tokenizer.encode(text) for text in string]

    def generate_until(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[str]:
        """Answer the requests that fit; an empty text for the others."""
        fits = []
        for request in requests:
            ids = self.tokenizer.encode(request.args[0])
            self.tokenizer.check_bos(ids, PROMPT)
            most = int(request.args[1].get("max_gen_toks", ANSWER_TOKENS))
            fits.append(len(ids) + most <= self.max_length)
            if not fits[-1]:
                self.too_long.add(request_key(request.args))
        fitting = list(itertools.compress(requests, fits))
        answers = iter(super().generate_until(fitting) if fitting else [])
        return [next(answers) if fit else "" for fit in fits]

    def _loglikelihood_tokens(
        self, requests: list[ScoreRequest], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        fits = []
        for text, context, continuation in requests:
            self.tokenizer.check_bos(context, PROMPT)
            # A text without a conversation (`text` is None) comes in windows that fit.
            fit = text is None or len(context) + len(continuation) <= self.max_length
            fits.append(fit)
            if text is not None and not fit:
                self.too_long.add(request_key(text))
        fitting = list(itertools.compress(requests, fits))
        answers = iter(super()._loglikelihood_tokens(fitting) if fitting else [])
        return [next(answers) if fit else IMPOSSIBLE for fit in fits]

    def batch_loglikelihood_requests(
        self, chunks: Iterable[list[ScoreRequest]]
    ) -> tuple[list[list[int]], list[int], list[Any]]:
        """Return the next request's rows, where their contexts end, and their keys."""
        rows, self._starts, keys = super().batch_loglikelihood_requests(chunks)
        return rows, self._starts, keys

    def model_call(
        self,
        messages: list[list[int]],
        *,
        generate: bool = True,
        gen_kwargs: dict[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Send one request, whose body is the harness's own.

        Raises:
            EngineError: the engine is gone or refuses.
        """
        body = self._create_payload(
            messages,
            generate=generate,
            # The harness takes settings out of the dictionary that it is given.
            gen_kwargs=copy.deepcopy(gen_kwargs),
            seed=self._seed,
            eos=self.eos_string,
        )
        if not generate and self.engine.ours:
            # The harness reads no value of a context's tokens.
            body["logprobs_from"] = self._starts
        return self.engine.post("/v1/completions", {"top_p": 1.0} | body)
