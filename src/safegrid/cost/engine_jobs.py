"""The jobs of a plan that an engine answers: generation, judging, capability."""

from collections.abc import Iterator

from safegrid.config.cost import ShapeSpec
from safegrid.cost.engines import Asked
from safegrid.cost.flops import NOTHING, Limits, forward, limits
from safegrid.cost.jobs import Figures, Job, Planned, filled
from safegrid.cost.memory import Use, engine_memory, judge_use
from safegrid.cost.tokens import Tokens, merge
from safegrid.study.grid import Cell


class EngineJobs(Planned):
    """A plan's cells and measures."""

    def generations(self) -> Iterator[Job]:
        """Give a job for each cell: its answers."""
        for cell in self.study.prompted_cells():
            # The parts of a pool are one row of a plan.
            what = cell.benchmark.partition("/")[0]
            job = Job("generate", what, cell.path, cell.model.path)
            yield filled(job, self._generation, cell)

    def _generation(self, cell: Cell) -> Figures:
        base = cell.model.base
        shape, source = self.base(base)
        prompts = self.data.prompts(base, cell.benchmark)
        answers = self.data.answers(cell)
        decode = self.study.asked[cell.benchmark].decode
        assert decode is not None, "prompted benchmarks are decoded (checked on load)"
        return {
            "work": self._asked(shape, base).write(prompts, answers, decode),
            **self._held(shape, base, "write"),
            "reads": prompts,
            "writes": answers,
            "sources": (source, prompts.source, answers.source),
            "disk": self.assumed.answer_bytes * answers.total,
        }

    def judgements(self) -> Iterator[Job]:
        """Give a job for each judge of each cell that has a model."""
        for cell in self.study.prompted_cells():
            for name in self.study.asked[cell.benchmark].judges:
                if self.study.config.judges[name].method != "model":
                    continue
                # Fluency is judged by the base, which answers for itself too.
                stack = self.study.judge_stack(name, cell.model.base)[0]
                job = Job("judge", name, f"{name}/{cell.path}", stack)
                yield filled(job, self._judgement, name, cell)

    def _judgement(self, name: str, cell: Cell) -> Figures:
        prompts = self.data.prompts(cell.model.base, cell.benchmark)
        answers = self.data.answers(cell)
        return self._read(name, cell.model.base, prompts, answers)

    def measures(self) -> Iterator[Job]:
        """Give a job for each judge that is measured and has a model."""
        for name in self.study.validated():
            if self.study.config.judges[name].method == "model":
                job = Job(
                    "validate_judge", name, name, self.study.judge_stack(name, "")[0]
                )
                yield filled(job, self._measure, name)

    def _measure(self, name: str) -> Figures:
        prompts, answers = self.data.labelled(name)
        return self._read(name, "", prompts, answers)

    def calibrations(self) -> Iterator[Job]:
        """Give a job for each judge of fluency and each base that it judges by."""
        for name, base in self.study.calibrated():
            stack = self.study.judge_stack(name, base)[0]
            job = Job("calibrate", name, f"{name}/{base}", stack)
            yield filled(job, self._calibration, name, base)

    def _calibration(self, name: str, base: str) -> Figures:
        shape, source = self.base(base)
        texts = self.data.fluent_texts(name)
        return {
            "work": self._asked(shape, base).calibrate(texts),
            **self._held(shape, base, "write"),
            "reads": texts,
            "sources": (source, texts.source),
        }

    def _read(self, name: str, base: str, prompts: Tokens, answers: Tokens) -> Figures:
        shape, source = self.judge(name, base)
        entry = self.study.config.judges[name]
        own = self.study.judge_base(name, base)
        asked = self._asked(shape, own)
        read = answers.shifted(round(asked.beside(entry, prompts.mean)))
        return {
            "work": asked.judge(entry, read),
            **self._held(shape, own, judge_use(entry)),
            "reads": read,
            "sources": (source, prompts.source, answers.source),
        }

    def capabilities(self) -> Iterator[Job]:
        """Give a job for each suite under each model."""
        for cell in self.study.cells(self.study.suites):
            job = Job("capability", cell.benchmark, cell.path, cell.model.path)
            yield filled(job, self._capability, cell)

    def _capability(self, cell: Cell) -> Figures:
        shape, source = self.base(cell.model.base)
        suite = self.study.config.benchmarks[cell.benchmark]
        tasks = [self.data.task(name, suite.limit) for name in suite.tasks]
        asked = self._asked(shape, cell.model.base)
        works = [asked.task(task, lengths) for task, lengths in tasks]
        return {
            "work": sum(works, start=NOTHING),
            **self._held(shape, cell.model.base, "write"),
            "reads": merge([lengths for _, lengths in tasks]),
            "sources": (source, *(lengths.source for _, lengths in tasks)),
        }

    def likelihoods(self) -> Iterator[Job]:
        """Give a job for each benchmark of known answers under each model."""
        for cell in self.study.cells(self.study.likelihoods):
            job = Job("capability", cell.benchmark, cell.path, cell.model.path)
            yield filled(job, self._likelihood, cell)

    def _likelihood(self, cell: Cell) -> Figures:
        base = cell.model.base
        shape, source = self.base(base)
        read = self.data.references(base, cell.benchmark)
        return {
            "work": forward(shape, self._limits(base), read.total),
            **self._held(shape, base, "score"),
            "reads": read,
            "sources": (source, read.source),
        }

    def _asked(self, shape: ShapeSpec, base: str) -> Asked:
        spec = self.study.engine(base)
        return Asked(shape, self._limits(base), spec, self.assumed)

    def _limits(self, base: str) -> Limits:
        return limits(self.device, self.study.engine(base).dtype)

    def _held(self, shape: ShapeSpec, base: str, use: Use) -> Figures:
        """Return what an engine holds, and whether it runs already, on other GPUs."""
        spec = self.study.engine(base)
        return {
            "memory": engine_memory(shape, spec, self.device, use),
            "served": spec.kind == "address",
        }
