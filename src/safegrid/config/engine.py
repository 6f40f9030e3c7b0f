"""How answers are drawn, and which engine draws them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from safegrid.config.block import Address, Block, Positive

# Variables of the environment: the command that starts vLLM, and the key of servers
# that run already.
VLLM = "SAFEGRID_VLLM"
ENGINE_KEY = "SAFEGRID_ENGINE_KEY"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Addresses = Annotated[list[Address] | None, BeforeValidator(_listed)]


class Decode(Block):
    """How answers are drawn; temperature 0 is greedy."""

    max_new_tokens: Positive
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    frequency_penalty: float = 0.0
    samples: Positive = 1
    stop: list[str] = []

    @property
    def width(self) -> int:
        """Sequences that grow for one answer."""
        return 1


class EngineSpec(Block):
    """Which engine answers. Kind, dtype and version are part of every score row.

    Attributes:
        kind: `safegrid` (ours), `vllm` (started by us), `address` (already running).
        chunk: prompts of one forward chunk, the unit that the store keeps.
        max_tokens: bound on padded tokens of a chunk, so that logits fit in memory.
        address: base URLs of the servers where kind is `address`; one that is alone
            may be written without a list.
        idle_seconds: an engine that nobody asks for so long ends.
        most: engines of one run that may live at once on one machine.
        start_seconds: how long loading may take.
    """

    kind: Literal["safegrid", "vllm", "address"] = "safegrid"
    dtype: Literal["float32", "bfloat16"] = "float32"
    chunk: Positive = 128
    max_tokens: Positive = 16_384
    address: Addresses = None
    idle_seconds: float = Field(default=30.0, gt=0)
    most: Positive = 2
    start_seconds: float = Field(default=600.0, gt=0)

    @model_validator(mode="after")
    def _address_fits_kind(self) -> "EngineSpec":
        if self.kind == "address" and not self.address:
            raise ValueError("kind 'address' needs `address`, the engine's base URL")
        if self.kind != "address" and self.address:
            raise ValueError(
                f"kind {self.kind!r} starts its own engine: remove `address`, or say"
                " `kind: address`"
            )
        return self
