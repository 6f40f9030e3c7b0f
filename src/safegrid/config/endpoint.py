"""The endpoint that judges: what it is sent, and how fast."""

from pydantic import Field

from safegrid.config.block import Above0, Block, Positive, Seed, Variable


class EndpointSpec(Block):
    """An OpenAI-compatible chat endpoint that judges: what it is sent, and how fast.

    Its address and key are in the environment and nowhere else: they are no part of
    what is judged, and a key must reach no file.

    Attributes:
        model: its name there
        address: the variable that holds the base URL
        key: the variable that holds the key; unset for an endpoint that asks for none
        seed: sent with each request
        max_tokens: of an answer
        max_concurrency: requests under way at a time
        requests_per_minute: requests that may begin in a minute; null for no bound
        timeout: seconds that an answer may take
        max_attempts: of one request, before its item is left for a later run
    """

    model: str = Field(min_length=1)
    address: Variable = "SAFEGRID_JUDGE_URL"
    key: Variable = "SAFEGRID_JUDGE_KEY"
    seed: Seed = 42
    max_tokens: Positive = 2
    max_concurrency: Positive = 4
    requests_per_minute: Positive | None = None
    timeout: Above0 = 60.0
    max_attempts: Positive = 6
