"""The work of an engine: writing answers, judging them, tasks of the harness."""

from dataclasses import dataclass, replace

from safegrid.config.calibration import MOST_OWN, NEW_TOKENS
from safegrid.config.cost import Assumed, ShapeSpec, TaskAssumed
from safegrid.config.engine import Decode, EngineSpec
from safegrid.config.judge import JudgeSpec
from safegrid.cost.flops import BYTES, NOTHING, Limits, Work, decoding, forward
from safegrid.cost.tokens import Tokens

# Sequences that vLLM answers at a time, by its default.
VLLM_SEQUENCES = 256


@dataclass(frozen=True)
class Asked:
    """An engine that holds a model on a device."""

    shape: ShapeSpec
    device: Limits
    engine: EngineSpec
    assumed: Assumed

    def write(self, prompts: Tokens, answers: Tokens, decode: Decode) -> Work:
        """Return the work of answering prompts, `decode.samples` times each.

        Every beam of an answer reads the prompt and grows to the end. Those that are
        thrown away are FLOPs, but no tokens and of no use.
        """
        asked, width = prompts.total * decode.samples, decode.width
        read = forward(self.shape, self.device, asked * width)
        grown = answers.times(width)
        done = read + self._decoded(prompts.mean, grown, decode.max_new_tokens)
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
        """Return the work of judging answers.

        Args:
            spec: of the judge. A guard reads once more for each of its questions, and
                writes a category line for unsafe answers; fluency reads each answer
                twice.
            read: lengths of what it reads of each, `beside` included.
        """
        times = 2 if spec.kind == "fluency" else 1 + len(spec.questions)
        work = forward(self.shape, self.device, times * read.total)
        unsafe = round(self.assumed.unsafe * read.rows)
        if not spec.category_tokens or not unsafe:
            return work
        line = Tokens((spec.category_tokens,), (unsafe,), read.source, False)
        again = forward(self.shape, self.device, unsafe * read.mean)
        return work + again + self._decoded(read.mean, line, spec.category_tokens)

    def calibrate(self, texts: Tokens) -> Work:
        """Return the work of calibrating a judge of fluency.

        Args:
            texts: that are read twice, half of them also with their words shuffled.
                Answers of the base to some of their prompts are written greedily and
                by chance, and read twice.
        """
        decode = Decode(max_new_tokens=NEW_TOKENS)
        answers = Tokens((NEW_TOKENS,), (2 * MOST_OWN,), texts.source, False)
        prompts = Tokens((round(texts.mean),), (2 * MOST_OWN,), texts.source, False)
        read = forward(self.shape, self.device, 3 * texts.total + 2 * answers.total)
        return read + self.write(prompts, answers, decode)

    def task(self, task: TaskAssumed, prompts: Tokens) -> Work:
        """Return the work of a task: options scored, or answers written.

        Options that differ in their last token only share a forward.
        """
        if task.answer:
            answers = Tokens((task.answer,), (prompts.rows,), task.why, False)
            read = forward(self.shape, self.device, prompts.total)
            return read + self._decoded(prompts.mean, answers, task.answer)
        if task.option == 1:
            return forward(self.shape, self.device, prompts.total)
        each = prompts.total + prompts.rows * (task.option - 1)
        return forward(self.shape, self.device, task.options * each)

    def batch(self, prompt: float, most: int) -> int:
        """Return how many sequences grow at a time.

        Args:
            prompt: tokens of a prompt.
            most: tokens of an answer at most; our engine makes room for them.
        """
        if self.engine.kind != "safegrid":
            return VLLM_SEQUENCES
        fit = int(self.engine.max_batch_tokens / (prompt + most))
        return max(1, min(self.engine.batch_size, fit))

    def _decoded(self, prompt: float, answers: Tokens, most: int) -> Work:
        if not answers.rows:
            return NOTHING
        return decoding(
            self.shape,
            self.device,
            prompt,
            answers,
            self.batch(prompt, most),
            BYTES[self.engine.dtype],
            refill=self.engine.kind != "safegrid",
            step_ms=self.assumed.step_ms,
        )
