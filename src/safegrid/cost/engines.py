"""Work of engines: prompts that are read, answers that are written token by token."""

import math
from dataclasses import dataclass, replace

from safegrid.config.cost import Assumed, ShapeSpec, TaskAssumed
from safegrid.config.engine import Decode, EngineSpec
from safegrid.config.judge import MOST_OWN, NEW_TOKENS, JudgeSpec
from safegrid.cost.flops import BYTES, NOTHING, Limits, Work, forward, forward_flops
from safegrid.cost.tokens import Tokens
from safegrid.engine.prefixes import LEAST, WORTH

# Sequences that vLLM answers at a time, by its default.
VLLM_SEQUENCES = 256


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
