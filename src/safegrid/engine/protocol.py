"""The part of vLLM's HTTP API that our engine answers: requests and their limits.

An unknown field is refused, where vLLM ignores it: a sampling option that silently
does nothing changes results without a word.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from safegrid.engine.calls import MOST_ROWS
from safegrid.engine.model import LoadedModel

Ids = Annotated[list[int], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
MOST_TOKEN_IDS = 128
TokenIds = Annotated[list[int], Field(min_length=1, max_length=MOST_TOKEN_IDS)]
MOST_BEAMS = 64


class RefusedError(ValueError):
    """A request that cannot be answered; the message goes to the client, status 400."""


def _as_rows(rows: list[int] | list[list[int]]) -> list[list[int]]:
    return [rows] if isinstance(rows[0], int) else rows


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str


class CompletionRequest(_Request):
    """`POST /v1/completions`, over token ids only.

    Attributes:
        prompt: one prompt or several.
        seed: of all prompts, as in vLLM.
        seeds: one for each prompt instead; ours alone.
        top_k: -1 or 0 is no limit.
        frequency_penalty: subtracted from a logit per earlier occurrence in the answer.
        logprobs: give those of the tokens that are read, and of so many likeliest ones.
        echo: score the prompt; with `max_tokens` 0 or 1 and temperature 0 only.
        logprobs_from: place in each prompt from which on it is scored; ours alone.
        logprob_token_ids: tokens whose log-probabilities after the prompt are given, in
            the place of the likeliest; with `max_tokens` 1 and temperature 0 only.
        num_beams: sequences that grow for an answer, of which the best is given; this
            and the next two have the names of transformers, as vLLM has none.
        num_beam_groups: groups that they are in.
        diversity_penalty: taken off a token's score for each beam of another group
            that took it at the same place.
    """

    prompt: Ids | list[Ids]
    max_tokens: int = Field(default=16, ge=0)
    seed: Seed | None = None
    seeds: list[Seed] | None = None
    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=-1)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    stop: str | list[str] | None = None
    logprobs: int | None = Field(default=None, ge=0, le=20)
    num_beams: int = Field(default=1, ge=1, le=MOST_BEAMS)
    num_beam_groups: int = Field(default=1, ge=1)
    diversity_penalty: float = Field(default=0.0, ge=0)
    echo: bool = False
    logprobs_from: list[Annotated[int, Field(ge=1)]] | None = None
    logprob_token_ids: TokenIds | None = None
    return_token_ids: bool = False
    return_tokens_as_token_ids: bool = False

    @model_validator(mode="after")
    def _can_be_meant(self) -> "CompletionRequest":
        each = {"seeds": self.seeds, "logprobs_from": self.logprobs_from}
        for name, values in each.items():
            if values is not None and len(values) != len(self.prompts):
                raise ValueError(
                    f"{name} has {len(values)} values for {len(self.prompts)} prompts"
                )
        if self.echo and (self.max_tokens > 1 or self.temperature > 0):
            raise ValueError("echo needs max_tokens 0 or 1 and temperature 0")
        if not self.echo and self.max_tokens == 0:
            raise ValueError("max_tokens must be at least 1 without echo")
        if self.temperature > 0 and self.seed is None and self.seeds is None:
            raise ValueError("sampling (temperature > 0) needs a seed")
        if self.logprobs is not None and not (self.echo or self.logprob_token_ids):
            raise ValueError("logprobs needs echo or logprob_token_ids")
        return self

    @model_validator(mode="after")
    def _can_be_read(self) -> "CompletionRequest":
        if self.logprob_token_ids is None:
            return self
        if self.logprobs is None:
            raise ValueError("logprob_token_ids needs logprobs")
        # Whatever else could change the one token that is generated.
        drawn = self.temperature or self.frequency_penalty or self.num_beams > 1
        if self.max_tokens != 1 or drawn or self.stop or self.echo:
            raise ValueError(
                "logprob_token_ids needs max_tokens 1 and temperature 0, and neither"
                " echo, stop, frequency_penalty nor num_beams"
            )
        return self

    @model_validator(mode="after")
    def _can_be_searched(self) -> "CompletionRequest":
        if self.num_beams % self.num_beam_groups:
            raise ValueError("num_beams must be a multiple of num_beam_groups")
        if self.num_beam_groups == 1 and self.diversity_penalty:
            raise ValueError("diversity_penalty needs several num_beam_groups")
        drawn = self.temperature or self.frequency_penalty or self.stop
        if self.num_beams > 1 and (drawn or self.echo):
            raise ValueError(
                "num_beams needs temperature 0, and neither frequency_penalty, stop nor"
                " echo"
            )
        return self

    @property
    def prompts(self) -> list[list[int]]:
        """The prompts, also where there is one."""
        return _as_rows(self.prompt)

    @property
    def row_seeds(self) -> list[int]:
        """The seed of each prompt's answer."""
        return self.seeds or [self.seed or 0] * len(self.prompts)

    @cached_property
    def stops(self) -> list[str]:
        """The strings at which an answer ends; an empty one ends none."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in stop if text]


class _SequenceRequest(_Request):
    input: Ids | list[Ids]

    @property
    def rows(self) -> list[list[int]]:
        """The sequences as a list, also where there is one."""
        return _as_rows(self.input)


class ClassifyRequest(_SequenceRequest):
    """`POST /classify`, over token ids only."""

    use_activation: bool = True


class EmbeddingRequest(_SequenceRequest):
    """`POST /v1/embeddings`, over token ids only."""

    encoding_format: Literal["float"] = "float"


def check_rows(model: LoadedModel, rows: Sequence[Sequence[int]], room: int) -> None:
    """Refuse what the model cannot read, before one bad row spoils its chunk.

    To each row `room` tokens are to be added.

    Raises:
        RefusedError: there are too many rows, or one is too long or holds an id
            outside the vocabulary.
    """
    if len(rows) > MOST_ROWS:
        raise RefusedError(f"{len(rows)} rows in a request; send at most {MOST_ROWS}")
    for number, row in enumerate(rows):
        if len(row) + room > model.context:
            raise RefusedError(
                f"row {number} has {len(row)} tokens and asks for {room} more; the"
                f" model's context is {model.context}"
            )
        check_ids(model, row, f"row {number}")


def check_ids(
    model: LoadedModel, ids: Sequence[int], name: str = "logprob_token_ids"
) -> None:
    """Refuse ids that the model has no embedding of.

    Raises:
        RefusedError: one lies outside the vocabulary.
    """
    if min(ids) < 0 or max(ids) >= model.vocabulary:
        raise RefusedError(
            f"{name} holds an id outside the vocabulary of {model.vocabulary}"
        )
