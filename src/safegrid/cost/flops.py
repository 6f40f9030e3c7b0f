"""FLOPs and seconds: training, scoring and decoding against the limits of a GPU.

N are the parameters that a token goes through. A token costs 2N forward, 4N backward
(2N where the weights are frozen under an adapter) and 2N more where activations are
computed again. N counts the embedding table, which is only looked up, as the field's
6N does.
Attention's own products are left out: 6 x layers x width x length a token, 0.6 % of 6N
for Falcon 11B at 256 tokens, 2.3 % at 1,024.
"""

import math
from dataclasses import dataclass, replace

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.cost.tokens import Tokens

BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Limits:
    """What a device can do at most.

    Attributes:
        flops: operations a second.
        bandwidth: bytes a second of its memory.
    """

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """What a job has to do.

    Attributes:
        tokens_in: tokens that it reads, padding not counted.
        tokens_out: tokens that it writes.
        model_flops: what the tokens need; the MFU is of these.
        flops: with padding, and with what is computed again.
        limit: seconds at the limits of its device.
        floor: seconds that launching its steps takes at least; 0 where that is unknown
            or part of a measured share.
    """

    tokens_in: float
    tokens_out: float
    model_flops: float
    flops: float
    limit: float
    floor: float = 0.0

    @property
    def tokens(self) -> float:
        """Read and written."""
        return self.tokens_in + self.tokens_out

    def seconds(self, share: float) -> float:
        """Return the seconds it takes at a share of the limit."""
        return max(self.limit / share, self.floor)

    def shared_by(self, devices: int) -> "Work":
        """Return the same work on several devices, none of which waits."""
        return replace(self, limit=self.limit / devices, floor=self.floor / devices)

    def times(self, part: float) -> "Work":
        """Return so much of the work."""
        return Work(*(part * value for value in vars(self).values()))

    def __add__(self, other: "Work") -> "Work":
        """One after the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Work(*(one + two for one, two in pairs))


NOTHING = Work(0, 0, 0, 0, 0)


def limits(gpu: GpuSpec, dtype: str) -> Limits:
    """Return a GPU's limits in a dtype, by its data sheet."""
    peak = gpu.bf16_tflops if dtype == "bfloat16" else gpu.fp32_tflops
    return Limits(peak * 1e12, gpu.bandwidth_tb_s * 1e12)


def training(
    shape: ShapeSpec,
    device: Limits,
    tokens: float,
    padded: float,
    lora: bool,
    again: bool,
    forward_only: float = 0.0,
) -> Work:
    """Return the work of a training over so many tokens, with padding and without.

    `again`: activations are computed again in the backward. `forward_only`: padded
    tokens that a forward without gradient sees (KTO's).
    """
    needed = 4 if lora else 6
    done = needed + (2 if again else 0)
    flops = shape.active * (done * padded + 2 * forward_only)
    # Of a dataset without a row nothing is padded.
    unpadded = forward_only * tokens / padded if padded else 0.0
    useful = shape.active * (needed * tokens + 2 * unpadded)
    return Work(tokens + unpadded, 0, useful, flops, flops / device.flops)


def forward(shape: ShapeSpec, device: Limits, tokens: float) -> Work:
    """Return the work of one forward over tokens: scoring, references, prefill."""
    flops = forward_flops(shape, tokens)
    return Work(tokens, 0, flops, flops, flops / device.flops)


def forward_flops(shape: ShapeSpec, tokens: float) -> float:
    """Return what tokens cost that a model reads or writes."""
    return 2.0 * shape.active * tokens


def step_seconds(
    shape: ShapeSpec, device: Limits, batch: float, context: float, size: int
) -> tuple[float, float]:
    """Return how long a step of decoding moves bytes, and how long it computes.

    It takes the longer of both. `batch` sequences grow by a token each, the cache holds
    `context` tokens of each, and a number has `size` bytes.
    """
    moved = size * (shape.parameters + shape.cached * context * batch)
    return moved / device.bandwidth, 2.0 * shape.active * batch / device.flops


def decoding(
    shape: ShapeSpec,
    device: Limits,
    prompt: float,
    answers: Tokens,
    batch: int,
    size: int,
    refill: bool,
    step_ms: float,
) -> Work:
    """Return the work of writing answers, `batch` at a time, after prompts are read.

    A prompt has `prompt` tokens in the mean, a number `size` bytes, and a layer takes
    `step_ms` milliseconds at least. `refill`: a finished sequence's place is taken by
    the next one (vLLM); else a batch ends with its longest answer, and thins out
    before.
    """
    if not answers.rows:
        return NOTHING
    together = min(batch, answers.rows)
    if refill:
        steps, busy = answers.total / together, float(together)
    else:
        steps = math.ceil(answers.rows / batch) * answers.expected_longest(together)
        busy = answers.total / steps
    context = prompt + answers.mean / 2
    flops = forward_flops(shape, answers.total)
    limit = steps * max(step_seconds(shape, device, busy, context, size))
    floor = 0.0 if refill else steps * shape.layers * step_ms / 1000
    return Work(0, answers.total, flops, flops, limit, floor)


def mfu(model_flops: float, seconds: float, gpu: GpuSpec, dtype: str) -> float:
    """Return the model FLOPs utilisation: the share of the peak that was of use.

    Padding and what is computed again do not count as useful (Chowdhery et al. 2022,
    arXiv 2204.02311, appendix B).
    """
    return model_flops / (seconds * limits(gpu, dtype).flops)
