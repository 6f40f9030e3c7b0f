"""Work of each kind of job: trainings and their references, and engines."""

from dataclasses import dataclass, replace

from safegrid.config.calibration import MOST_OWN, NEW_TOKENS
from safegrid.config.cost import Assumed, GpuSpec, ShapeSpec, TaskAssumed
from safegrid.config.engine import Decode, EngineSpec
from safegrid.config.judge import JudgeSpec
from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.cost.flops import (
    BYTES,
    Limits,
    Work,
    decoding,
    forward,
    limits,
    training,
)
from safegrid.cost.tokens import Tokens

# Sequences that vLLM answers at a time, by its default.
VLLM_SEQUENCES = 256


def train(shape: ShapeSpec, gpu: GpuSpec, sequences: Tokens, recipe: Recipe) -> Work:
    """Return the work of all processes of a training together.

    Sequences are the chosen and rejected ones of the whole dataset; of a method that
    reads chosen answers alone, those.
    """
    settings = recipe.training
    trainer = METHODS[recipe.method].trainer
    a_pair = 1 if trainer == "sft" else 2
    pairs = round(recipe.fraction * sequences.rows / a_pair)
    number = settings.count_steps(pairs) * settings.batch * a_pair
    # Rows come in random order and are padded to the longest of a micro-batch.
    padded = number * sequences.expected_longest(
        settings.per_device_train_batch_size * a_pair
    )
    work = training(
        shape,
        limits(gpu, settings.precision),
        number * sequences.mean,
        padded,
        lora=settings.lora is not None,
        again=settings.gradient_checkpointing,
        forward_only=padded if trainer == "kto" else 0.0,
    )
    return work.shared_by(settings.processes)


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

    def write(self, prompts: Tokens, answers: Tokens, decode: Decode) -> Work:
        """Return the work of answering prompts, `decode.samples` times each.

        Every beam of an answer reads the prompt and grows to the end. Those that are
        thrown away are FLOPs, but no tokens and of no use.
        """
        asked, width = prompts.total * decode.samples, decode.width
        grown = answers.times(width)
        done = self.read(asked * width)
        done += self._decoded(prompts.mean, grown, decode.max_new_tokens)
        return replace(
            done,
            tokens_in=asked,
            tokens_out=answers.total,
            model_flops=done.model_flops / width,
        )

    def beside(self, spec: JudgeSpec, prompt: float) -> float:
        """Return the tokens that a judge reads beside an answer.

        A guard reads prompt and response in its template, a correction judge in its
        question, a judge of scores prompt and answer, a classifier the answer alone,
        fluency the answer in a template without a request. Entailment reads the
        reference with each sentence of the answer; it is taken for as long as the
        prompt, once.
        """
        if spec.kind in ("guard", "correction"):
            return self.assumed.guard + prompt
        if spec.kind == "fluency":
            return float(self.assumed.template)
        return 0.0 if spec.kind in ("toxicity", "refusal") else prompt

    def judge(self, spec: JudgeSpec, read: Tokens) -> Work:
        """Return the work of judging answers; `read` holds what stands `beside` too.

        A guard reads once more for each of its questions, and writes a category line
        for unsafe answers; fluency reads each answer twice.
        """
        times = 2 if spec.kind == "fluency" else 1 + len(spec.questions)
        work = self.read(times * read.total)
        unsafe = round(self.assumed.unsafe * read.rows)
        if not spec.category_tokens or not unsafe:
            return work
        line = Tokens.alike(spec.category_tokens, unsafe, read.source)
        again = self.read(unsafe * read.mean)
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

        Options that differ in their last token only share a forward.
        """
        if task.answer:
            answers = Tokens.alike(task.answer, prompts.rows, task.why)
            read = self.read(prompts.total)
            return read + self._decoded(prompts.mean, answers, task.answer)
        if task.option == 1:
            return self.read(prompts.total)
        each = prompts.total + prompts.rows * (task.option - 1)
        return self.read(task.options * each)

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
