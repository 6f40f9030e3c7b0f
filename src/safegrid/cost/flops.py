"""FLOPs and seconds of forwards and trainings against the limits of a GPU.

N are the parameters that a token goes through. A token costs 2N forward, 4N backward
(2N where the weights are frozen under an adapter) and 2N more where activations are
computed again. N counts the embedding table, which is only looked up, as the field's
6N does.
Attention's own products are left out: 6 x layers x width x length a token, 0.6 % of 6N
for Falcon 11B at 256 tokens, 2.3 % at 1,024.
"""

from dataclasses import dataclass, replace

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.cost.tokens import Pairs

BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Limits:
    """Most that a device does in a second: operations, and bytes of its memory."""

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """What a job has to do.

    Tokens are read and written ones, without padding; `model_flops` is what they need,
    of which the MFU is, and `flops` holds padding and what is computed again. `limit`
    are seconds at the limits of its device, `floor` those that launching its steps
    takes at least: 0 where that is unknown or part of a measured share.
    """

    tokens: float
    model_flops: float
    flops: float
    limit: float
    floor: float = 0.0

    def seconds(self, share: float) -> float:
        """Return the seconds it takes at a share of the limit."""
        return max(self.limit / share, self.floor)

    def times(self, part: float) -> "Work":
        """Return so much of the work."""
        return Work(*(part * value for value in vars(self).values()))

    def __add__(self, other: "Work") -> "Work":
        """One after the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Work(*(one + two for one, two in pairs))


NOTHING = Work(0, 0, 0, 0)


def limits(gpu: GpuSpec, dtype: str) -> Limits:
    """Return a GPU's limits in a dtype, by its data sheet."""
    peak = gpu.bf16_tflops if dtype == "bfloat16" else gpu.fp32_tflops
    return Limits(peak * 1e12, gpu.bandwidth_tb_s * 1e12)


def mfu(model_flops: float, seconds: float, gpu: GpuSpec, dtype: str) -> float:
    """Return the model FLOPs utilisation: the share of the peak that was of use.

    Padding and what is computed again do not count as useful (Chowdhery et al. 2022,
    arXiv 2204.02311, appendix B).
    """
    return model_flops / (seconds * limits(gpu, dtype).flops)


def forward_flops(shape: ShapeSpec, tokens: float) -> float:
    """Return what tokens cost that a model reads or writes."""
    return 2.0 * shape.active * tokens


def forward(shape: ShapeSpec, device: Limits, tokens: float) -> Work:
    """Return the work of one forward over tokens: scoring, references, prefill."""
    flops = forward_flops(shape, tokens)
    return Work(tokens, flops, flops, flops / device.flops)


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
    return Work(tokens + unpadded, useful, flops, flops / device.flops)


def train(shape: ShapeSpec, gpu: GpuSpec, pairs: Pairs, recipe: Recipe) -> Work:
    """Return the work of all processes of a training together, none of which waits.

    Trainers of pairs read a prompt once for both of its answers, and the rows of a step
    stand in micro-batches by their lengths (`train.trainers.shared_prompts`,
    `train.rows.sort_steps`). KTO and reward models read every answer behind a prompt of
    its own, in random order.
    """
    settings, method = recipe.training, METHODS[recipe.method]
    trainer = method.trainer
    apart = trainer in ("kto", "reward")
    rows = pairs.both if apart else pairs.chosen if trainer == "sft" else pairs.rows
    a_pair = 2 if apart else 1
    taken = settings.count_steps(round(recipe.fraction * pairs.rows.rows))
    taken *= settings.batch
    micro_batch = settings.per_device_train_batch_size * a_pair
    together = micro_batch if apart or method.across else settings.batch
    padded = taken * a_pair * rows.expected_width(together, micro_batch)
    work = training(
        shape,
        limits(gpu, settings.precision),
        taken * a_pair * rows.mean,
        padded,
        lora=settings.lora is not None,
        again=settings.gradient_checkpointing,
        forward_only=padded if trainer == "kto" else 0.0,
    )
    # What a manifest counts: every answer with its prompt.
    tokens = taken * 2 * pairs.both.mean if rows is pairs.rows else work.tokens
    return replace(work, tokens=tokens, limit=work.limit / settings.processes)
