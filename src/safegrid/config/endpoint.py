"""A judge behind an OpenAI-compatible chat endpoint: how it is asked."""

import re

from pydantic import Field, field_validator

from safegrid.config.blocks import Block, Positive

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EndpointSpec(Block):
    """What a request holds, and how hard an endpoint may be pressed.

    Address and key are in the environment and nowhere else: they are no part of what
    was judged, and a key must reach no file.

    Attributes:
        model: its name there.
        address: variable that holds the base URL, the one that ends in `/v1`.
        key: variable that holds the bearer key; unset for an endpoint that asks for
            none.
        seed: sent along; few endpoints promise anything for it.
        max_tokens: of an answer.
        at_once: requests that are under way at a time.
        a_minute: requests that may begin in a minute; null for as many as it takes.
        timeout: seconds that an answer may take.
        tries: of one request before its item is left for a later run.
    """

    model: str = Field(min_length=1)
    address: str = "SAFEGRID_JUDGE_URL"
    key: str = "SAFEGRID_JUDGE_KEY"
    seed: int = 42
    max_tokens: Positive = 2
    at_once: Positive = 4
    a_minute: Positive | None = None
    timeout: float = Field(default=60.0, gt=0)
    tries: Positive = 6

    @field_validator("address", "key")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not VARIABLE.fullmatch(name):
            raise ValueError("must be the name of an environment variable")
        return name
