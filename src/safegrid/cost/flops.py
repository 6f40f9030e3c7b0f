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

from safegrid.config.cost import Assumed, GpuSpec, ShapeSpec, TaskAssumed
from safegrid.config.engine import Decode, EngineSpec
from safegrid.config.judge import MOST_OWN, NEW_TOKENS, JudgeSpec
from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.cost.tokens import Pairs, Tokens
from safegrid.engine.prefixes import LEAST, WORTH

BYTES = {"float32": 4, "bfloat16": 2}
# Sequences that vLLM answers at a time, by its default.
VLLM_SEQUENCES = 256


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
    return Work(answers.total, flops, flops, limit, floor)


@dataclass(frozen=True)
class PlannedEngine:
    """An engine that holds a model on a device."""

    shape: ShapeSpec
    device: Limits
    spec: EngineSpec
    assumed: Assumed

    def read(self, tokens: float) -> Work:
        """Return the work of reading tokens."""
        return forward(self.shape, self.device, tokens)

    def read_alike(self, rows: float, tokens: float, shared: float) -> Work:
        """Return the work of reading rows of so many tokens in all that begin alike.

        `shared` tokens are read once for all rows of a chunk (`engine.batches`), or
        for all rows (vLLM's prefix cache).
        """
        if not rows or shared < LEAST:
            return self.read(tokens)
        chunk = rows
        if self.spec.kind == "safegrid":
            fit = self.spec.max_batch_tokens * rows // tokens
            chunk = max(1, min(self.spec.batch_size, fit))
        again = rows - math.ceil(rows / chunk)
        return replace(self.read(tokens - shared * again), tokens=tokens)

    def write(self, prompts: Tokens, answers: Tokens, decode: Decode) -> Work:
        """Return the work of answering prompts, `decode.samples` times each.

        Every beam of an answer reads the prompt and grows to the end. Those that are
        thrown away are FLOPs, but no tokens and of no use.
        """
        asked, width = prompts.total * decode.samples, decode.width
        rows = prompts.rows * decode.samples * width
        done = self.read_alike(rows, asked * width, prompts.shared)
        done += self._decoded(prompts.mean, answers.times(width), decode.max_new_tokens)
        return replace(
            done,
            tokens=asked + answers.total,
            model_flops=done.model_flops / width,
        )

    def judge(self, spec: JudgeSpec, read: Tokens) -> Work:
        """Return the work of judging answers, whose template and prompt are `read` too.

        A guard reads once more for each of its questions, and writes a category line
        for unsafe answers; fluency reads each answer twice.
        """
        times = 2 if spec.kind == "fluency" else 1 + len(spec.questions)
        asked = spec.kind in ("guard", "correction")
        shared = self.assumed.guard_before if asked else 0
        work = self.read_alike(read.rows, read.total, shared).times(times)
        unsafe = round(self.assumed.unsafe * read.rows)
        if not spec.category_tokens or not unsafe:
            return work
        line = Tokens.alike(spec.category_tokens, unsafe, read.source)
        again = self.read_alike(unsafe, unsafe * read.mean, shared)
        return work + again + self._decoded(read.mean, line, spec.category_tokens)

    def calibrate(self, texts: Tokens) -> Work:
        """Return the work of calibrating a judge of fluency.

        Texts are read twice, half of them also with their words shuffled. Answers of
        the base to some of their prompts are written greedily and by chance, and read
        twice.
        """
        answers, prompts = (
            Tokens.alike(length, 2 * MOST_OWN, texts.source)
            for length in (NEW_TOKENS, round(texts.mean))
        )
        read = self.read(3 * texts.total + 2 * answers.total)
        return read + self.write(prompts, answers, Decode(max_new_tokens=NEW_TOKENS))

    def task(self, task: TaskAssumed, prompts: Tokens) -> Work:
        """Return the work of a task: options scored, or answers written.

        Options that differ in their last token only share a forward, others their
        prompt where it is long enough.
        """
        rows, total = prompts.rows, prompts.total
        if task.answer:
            answers = Tokens.alike(task.answer, rows, task.why)
            read = self.read_alike(rows, total, task.shared)
            return read + self._decoded(prompts.mean, answers, task.answer)
        if task.option == 1:
            return self.read_alike(rows, total, task.shared)
        options, each = task.options, task.option - 1
        work = self.read(options * (total + rows * each))
        if (options - 1) * prompts.mean < WORTH:
            return work
        return replace(self.read(total + rows * options * each), tokens=work.tokens)

    def _decoded(self, prompt: float, answers: Tokens, most: int) -> Work:
        """Return the work of writing; our engine makes room for `most` tokens each."""
        ours = self.spec.kind == "safegrid"
        fit = int(self.spec.max_batch_tokens / (prompt + most))
        batch = max(1, min(self.spec.batch_size, fit)) if ours else VLLM_SEQUENCES
        return decoding(
            self.shape,
            self.device,
            prompt,
            answers,
            batch,
            BYTES[self.spec.dtype],
            refill=not ours,
            step_ms=self.assumed.step_ms,
        )
