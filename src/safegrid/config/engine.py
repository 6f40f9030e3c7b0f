"""Decoding settings and the inference engine."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from safegrid.config.block import Above0, Address, Block, Count, From0, Part, Positive

# Variables of the environment: the command that starts vLLM, and the key of servers
# that run already.
VLLM = "SAFEGRID_VLLM"
ENGINE_KEY = "SAFEGRID_ENGINE_KEY"


# Options that vLLM alone has, by its own names of them.
OF_VLLM = (
    "gpu_memory_utilization",
    "max_model_len",
    "tensor_parallel_size",
    "extra_args",
)
# The share of a device that all servers of a run take together.
ALL_SERVERS = 0.9
# Words of its command line that no study may give, and why.
SET_BY_US = {
    **{f"--{n.replace('_', '-')}": f"has key `{n}`" for n in ("dtype", *OF_VLLM[:3])},
    **dict.fromkeys(
        ("--host", "--port", "--served-model-name", "--generation-config"),
        "is set by the package",
    ),
    "--api-key": "would show the key in the list of processes; the run has its own",
}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Addresses = Annotated[
    list[Address] | None,
    BeforeValidator(_listed, json_schema_input_type=Address | list[Address] | None),
]


class Decode(Block):
    """How answers are drawn; temperature 0 is greedy.

    Attributes:
        max_new_tokens: tokens of an answer, its end included
        temperature: 0 is greedy
        top_p: keep the likeliest tokens up to this probability
        top_k: keep this many of the likeliest tokens; 0 keeps all
        frequency_penalty: taken off a token's logit for each time it stands in the
            answer
        samples: answers to each prompt
        stop: strings at which an answer ends
    """

    max_new_tokens: Positive
    temperature: From0 = 0.0
    top_p: Part = 1.0
    top_k: Count = 0
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    samples: Positive = 1
    stop: list[str] = []

    @property
    def width(self) -> int:
        """Sequences that grow for one answer."""
        return 1


class Beams(Block):
    """Diverse beam search (Vijayakumar et al. 2018, arXiv 1610.02424).

    Attributes:
        groups: beams, each a group of its own; at least 2
        penalty: taken off a token's score for each other group that took it at the same
            place; above 0
    """

    groups: Annotated[Positive, Field(ge=2)] = 2
    penalty: Above0 = 0.5


class BeamDecode(Decode):
    """Answers that are searched for: of several beams the best one."""

    beams: Beams

    @property
    def width(self) -> int:
        """Sequences that grow for one answer."""
        return self.beams.groups


Decoding = Decode | BeamDecode
"""What a stage is given: only one of the two knows `beams`, so JSON says which."""


class EngineSpec(Block):
    """Which engine answers. Kind, dtype and version are part of every score row.

    Attributes:
        kind: `safegrid`: ours, for CPUs and small models. `vllm`: started by us from
            its own environment. `address`: a server that runs already
        dtype: of the weights: `float32` or `bfloat16`
        batch_size: prompts of a forward, the unit that the cache keeps
        max_batch_tokens: bound on padded tokens of a forward
        address: kind `address` only: base URL of a server, or a list of them ([how a
            model is served](../docs/your_own_model_and_prompts.md#5-a-served-model))
        idle_seconds: an engine that nobody asks for so long ends
        max_engines: engines of a run that may live at once on one machine
        start_seconds: how long loading may take
        gpu_memory_utilization: kind `vllm` only, like the keys below, which have vLLM's
            own names: share of the device's memory that one server takes; null: 0.9
            over `max_engines`
        max_model_len: most tokens of a sequence; null: the model's own
        tensor_parallel_size: GPUs that a model is spread over
        extra_args: more words of its command line, such as `--enforce-eager`
    """

    kind: Literal["safegrid", "vllm", "address"] = "safegrid"
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_size: Positive = 128
    max_batch_tokens: Positive = 16_384
    address: Addresses = None
    idle_seconds: Above0 = 30.0
    max_engines: Positive = 2
    start_seconds: Above0 = 600.0
    gpu_memory_utilization: Part | None = None
    max_model_len: Positive | None = None
    tensor_parallel_size: Positive = 1
    extra_args: list[str] = []

    @model_validator(mode="after")
    def _keys_fit_kind(self) -> "EngineSpec":
        if self.kind == "address" and not self.address:
            raise ValueError("kind 'address' needs `address`, the engine's base URL")
        if self.kind != "address" and self.address:
            raise ValueError(
                f"kind {self.kind!r} starts its own engine: remove `address`, or say"
                " `kind: address`"
            )
        fields = EngineSpec.model_fields
        given = [n for n in OF_VLLM if getattr(self, n) != fields[n].default]
        if self.kind != "vllm" and given:
            raise ValueError(
                f"{', '.join(given)}: for kind 'vllm' only, and this is {self.kind!r}:"
                " remove it"
            )
        for word in self.extra_args:
            flag = word.partition("=")[0].replace("_", "-")
            if flag in SET_BY_US:
                raise ValueError(f"extra_args: {flag} {SET_BY_US[flag]}: remove it")
        return self

    @property
    def memory_share(self) -> float:
        """The share of a device's memory that one vLLM takes."""
        return self.gpu_memory_utilization or ALL_SERVERS / self.max_engines

    def of_encoders(self) -> "EngineSpec":
        """Return the engine that serves encoders: ours, in float32.

        Other engines pool as they think right, and vectors are cheap.
        """
        shared = {"batch_size", "max_batch_tokens", "idle_seconds", "max_engines"}
        return EngineSpec(**self.model_dump(include={*shared, "start_seconds"}))
