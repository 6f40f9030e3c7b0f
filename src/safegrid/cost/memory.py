"""Bytes that a job holds on its GPU, as our trainers and our engine use it.

Training: weights are loaded in float32 whatever the precision, `precision: bfloat16`
is autocast, AdamW keeps two float32 numbers a trained weight. TRL's fused head makes
the logits in tiles; a reward model has one number a token. Activations are what torch
keeps for the backward, counted on small models (`tests/unit/cost/test_activations.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.judge import JudgeSpec
from safegrid.config.methods import Trainer
from safegrid.config.training import Training
from safegrid.cost.flops import BYTES

# What an engine does: write answers, score given ones, or classify them.
Use = Literal["write", "score", "classify"]
# Kinds of judge that are language models; the others have a few outputs a text.
CAUSAL = ("guard", "fluency")

# Of a GPU's memory; CUDA's context, cuBLAS's workspace and what the allocator cannot
# use have the rest. A guess.
USABLE = 0.93
# The rows and columns of logits that TRL's fused head has at a time.
TILE_TOKENS, TILE_WORDS = 4096, 32_768
# Positions whose logits our engine widens to float32 at a time (`engine/scoring.py`).
SLICE = 64
# Tokens that our engine's cache makes room for beyond what it holds.
ROOM = 64

# Bytes that torch keeps for the backward, for each token and layer: a number of the
# model's width, of its queries' width, of its MLP's. Llama stands for gated MLPs,
# Falcon for the others; Gemma 2 keeps two fifths more.
KEPT: dict[tuple[bool, str, bool], tuple[float, float, float]] = {
    (True, "float32", False): (24.5, 17.2, 16.1),
    (True, "float32", True): (48.8, 25.9, 20.2),
    (True, "bfloat16", False): (26.3, 8.7, 8.1),
    (True, "bfloat16", True): (38.4, 15.0, 12.1),
    (False, "float32", False): (12.8, 12.8, 8.2),
    (False, "float32", True): (23.1, 23.1, 12.2),
    (False, "bfloat16", False): (8.4, 8.4, 4.1),
    (False, "bfloat16", True): (15.6, 15.6, 8.1),
}


@dataclass(frozen=True)
class Memory:
    """What a job holds at its peak, in bytes.

    `copies` are autocast's, of weights in bfloat16; `gradients` hold the buckets of
    several processes, `optimizer` AdamW's two moments, `activations` what is kept for
    the backward, or of the layer at work, `logits` of a tile.
    """

    weights: float = 0.0
    copies: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    cache: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(asdict(self).values()))


def together(held: Sequence[Memory]) -> Memory:
    """Return what jobs hold that share a GPU."""
    parts = zip(*(asdict(memory).values() for memory in held), strict=True)
    return Memory(*map(sum, parts))


def usable(gpu: GpuSpec) -> float:
    """Return the bytes of a GPU that a job can fill."""
    return USABLE * gpu.memory_gb * 1e9


def trained_parameters(shape: ShapeSpec, training: Training) -> int:
    """Return the parameters of an adapter, of named targets at most, or all of them."""
    if training.lora is None:
        return shape.parameters
    return training.lora.r * shape.layers * sum(a + b for a, b in shape.linears)


def model_bytes(shape: ShapeSpec, training: Training) -> float:
    """Return the disk of a trained model: an adapter in float32, or all weights."""
    size = 4 if training.lora else BYTES[training.precision]
    return float(size * trained_parameters(shape, training))


def checkpoint_bytes(shape: ShapeSpec, training: Training) -> float:
    """Return the disk of the two checkpoints that a training holds while it runs.

    What is trained and AdamW's two moments, all in float32.
    """
    return 2 * 12.0 * trained_parameters(shape, training)


def training_memory(
    shape: ShapeSpec, training: Training, trainer: Trainer, longest: int
) -> Memory:
    """Return what one process of a training holds at its peak.

    A micro-batch is padded to the longest sequence, of so many tokens.
    """
    sequences = training.per_device_train_batch_size * (1 if trainer == "sft" else 2)
    tokens = sequences * longest
    trained = trained_parameters(shape, training)
    weights = shape.parameters + (trained if training.lora else 0)
    shared = training.processes if training.accelerate else 1
    # A layer is gathered whole, with its gradient, while it is at work.
    gathered = 8.0 * _layer(shape) if training.accelerate else 0.0
    buckets = 4.0 * trained if training.processes > 1 and shared == 1 else 0.0
    return Memory(
        weights=4.0 * weights / shared + gathered,
        copies=_copies(shape, training) / shared,
        gradients=4.0 * trained / shared + buckets,
        optimizer=8.0 * trained / shared,
        activations=_activations(shape, training, tokens),
        logits=_logits(shape, training, trainer, tokens),
    )


def reference_memory(shape: ShapeSpec, training: Training, longest: int) -> Memory:
    """Return what a forward without gradient holds, by the trainers' own code.

    In bfloat16 a layer's matrices are held so; experts are no matrices to torch.
    """
    tokens = 2 * training.per_device_train_batch_size * longest
    size = BYTES[training.precision]
    linears = shape.linears if shape.experts == 1 else shape.linears[:4]
    halved = shape.layers * sum(a * b for a, b in linears) if size == 2 else 0
    return Memory(
        weights=4.0 * shape.parameters - 2.0 * halved,
        # Autocast keeps its copies to the end of a forward, gradient or not.
        copies=2.0 * (shape.parameters - halved) if size == 2 else 0.0,
        activations=float(tokens) * _at_work(shape, size),
        logits=float(min(tokens, TILE_TOKENS) * TILE_WORDS * size),
    )


def judge_use(spec: JudgeSpec) -> Use:
    """Return what the engine of a judge does."""
    if spec.kind not in CAUSAL:
        return "classify"
    return "write" if spec.category_tokens else "score"


def engine_memory(
    shape: ShapeSpec, engine: EngineSpec, gpu: GpuSpec, use: Use
) -> Memory:
    """Return what an engine holds at its peak, of a model with adapters merged.

    vLLM fills a share of its GPU with its cache.
    """
    written = use == "write"
    size = BYTES[engine.dtype]
    weights = float(size * shape.parameters)
    if engine.kind == "vllm":
        left = engine.memory_share * gpu.memory_gb * 1e9 - weights
        return Memory(weights=weights, cache=max(left, size * shape.cached * 4096.0))
    tokens = engine.max_batch_tokens
    # In decoding logits are widened whole, in scoring slice by slice.
    places = engine.batch_size if written else tokens
    widened = places if written else min(places, SLICE)
    logits = shape.vocabulary * (places * size + 2 * 4 * widened)
    cached = size * shape.cached * (tokens + ROOM * engine.batch_size)
    return Memory(
        weights=weights,
        activations=float(tokens) * _at_work(shape, size),
        logits=0.0 if use == "classify" else float(logits),
        cache=float(cached) if written else 0.0,
    )


def _layer(shape: ShapeSpec) -> int:
    return sum(a * b for a, b in shape.linears)


def _copies(shape: ShapeSpec, training: Training) -> float:
    """Return autocast's copies of the weights in bfloat16.

    It keeps those of trained weights to the end of a forward. Those of frozen weights
    are kept for the backward of each layer, one layer at a time where activations are
    computed again.
    """
    if training.precision != "bfloat16":
        return 0.0
    if training.lora and training.gradient_checkpointing:
        return 2.0 * (_layer(shape) + TILE_WORDS * shape.width)
    return 2.0 * shape.parameters


def _activations(shape: ShapeSpec, training: Training, tokens: int) -> float:
    lora = training.lora is not None
    width, queries, mlp = KEPT[shape.gated, training.precision, lora]
    layer = width * shape.width + queries * shape.queries
    layer += mlp * shape.feed_forward * shape.experts_used
    if not training.gradient_checkpointing:
        return tokens * layer * shape.layers
    # The stream between the layers is float32 in both precisions.
    return tokens * (4.0 * shape.width * shape.layers + layer)


def _logits(
    shape: ShapeSpec, training: Training, trainer: Trainer, tokens: int
) -> float:
    if trainer == "reward":
        # One number a token, with the hidden states' gradients.
        return float(4 * tokens * (shape.width + 2))
    tile = BYTES[training.precision] * min(tokens, TILE_TOKENS) * TILE_WORDS
    gradients = 4 * (tokens * shape.width + (0 if training.lora else shape.head))
    return float(tile + gradients)


def _at_work(shape: ShapeSpec, size: int) -> int:
    """Return the bytes a token of the layer at work in a forward without gradient."""
    mlp = (3 if shape.gated else 2) * shape.feed_forward * shape.experts_used
    return size * (6 * shape.width + 2 * shape.queries + mlp)
