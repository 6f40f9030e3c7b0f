"""The jobs of a study that a GPU works on, each with its work and its memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safegrid.config.cost import Assumed, GpuSpec, ShapeSpec
from safegrid.cost import memory, trainings
from safegrid.cost.data import Data, UnknownError
from safegrid.cost.engines import Asked
from safegrid.cost.flops import NOTHING, Work, limits
from safegrid.cost.memory import Memory
from safegrid.cost.shapes import Known, base_shape, judge_shape
from safegrid.cost.tokens import Tokens, merge
from safegrid.grid import Cell, Model
from safegrid.methods import METHODS
from safegrid.study import Study

KINDS = ("reference", "train", "generate", "judge", "capability", "measure")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job and what it takes.

    Attributes:
        kind: its rule, of KINDS.
        what: the method, benchmark, judge or suite.
        name: what its result is called below its folder.
        model: the model that it loads.
        gpus: that it holds at a time.
        work: None where it is not known; `unknown` says why.
        memory: of each GPU, at its peak.
        disk: bytes that stay.
        scratch: bytes of checkpoints while it runs.
        reads: lengths of what it reads; `writes` of what it writes.
        sources: where its figures are from.
    """

    kind: str
    what: str
    name: str
    model: str
    gpus: int = 1
    work: Work | None = None
    memory: Memory | None = None
    disk: float = 0.0
    scratch: float = 0.0
    reads: Tokens | None = None
    writes: Tokens | None = None
    sources: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Planner:
    """Makes the jobs of a study for a GPU.

    Attributes:
        device: the GPU that all of them run on.
        root: the folder with `results/`.
    """

    study: Study
    assumed: Assumed
    device: GpuSpec
    data: Data
    root: Path = Path()

    def jobs(self) -> list[Job]:
        """Return all jobs of the study that a model works in."""
        parts = (
            self._references(),
            self._trainings(),
            self._generations(),
            self._judgements(),
            self._capabilities(),
            self._measures(),
        )
        return [job for part in parts for job in part]

    def base(self, name: str) -> Known:
        """Return a base's shape.

        Raises:
            UnknownError: nobody says anything of it.
        """
        return _known(base_shape(self.study, name, self.root), name, "bases.yaml")

    def judge(self, name: str, base: str) -> Known:
        """Return the shape of a judge's model.

        Raises:
            UnknownError: nobody says anything of it.
        """
        found = judge_shape(self.study, name, base, self.root)
        return _known(found, name, "judges.yaml")

    def _references(self) -> Iterator[Job]:
        """Give a job for each file of reference values, which models share."""
        seen = set()
        folder = f"{self.study.root}/reference/"
        shared = self.study.reference_settings
        for model in self.study.trained:
            own = self.study.recipe(model.recipe).training
            files = [(f, "shared", shared) for f in self.study.reference(model)]
            for file in self.study.kto_reference(model):
                files.append((file, "KTO's", (own.precision, own.micro_batch)))
            for file, what, settings in files:
                if file not in seen:
                    seen.add(file)
                    name = file.removeprefix(folder).removesuffix(".parquet")
                    start = self.study.parent(model).path
                    job = Job("reference", what, name, start)
                    yield _filled(job, self._reference, model, *settings)

    def _reference(self, model: Model, precision: str, micro_batch: int) -> Figures:
        shape, source = self.base(model.base)
        recipe = self.study.recipe(model.recipe)
        both = self.data.pairs(model).both
        return {
            "work": trainings.reference(shape, self.device, both, precision),
            "memory": memory.reference_memory(
                shape, precision, micro_batch, self._longest(recipe.dataset)
            ),
            "reads": both,
            "sources": (source, both.source),
        }

    def _trainings(self) -> Iterator[Job]:
        for model in self.study.trained:
            method = self.study.recipe(model.recipe).method
            job = Job("train", method, model.path, model.path)
            yield _filled(job, self._training, model)

    def _training(self, model: Model) -> Figures:
        shape, source = self.base(model.base)
        recipe = self.study.recipe(model.recipe)
        pairs = self.data.pairs(model)
        trainer = METHODS[recipe.method].trainer
        read = pairs.chosen if trainer == "sft" else pairs.both
        settings = recipe.training
        return {
            "gpus": settings.processes,
            "work": trainings.train(shape, self.device, read, recipe),
            "memory": memory.training_memory(
                shape, settings, trainer, self._longest(recipe.dataset)
            ),
            "reads": read,
            "sources": (source, read.source),
            "disk": trainings.model_bytes(shape, settings),
            "scratch": trainings.checkpoint_bytes(shape, settings),
        }

    def _longest(self, dataset: str) -> int:
        return self.study.config.study.datasets[dataset].max_length

    def _cells(self) -> list[Cell]:
        """Return all that is asked prompt by prompt: benchmarks, and pools once."""
        return [*self.study.cells(self.study.prompted), *self.study.pool_cells()]

    def _generations(self) -> Iterator[Job]:
        for cell in self._cells():
            # The parts of a pool are one row of a plan.
            what = cell.benchmark.partition("/")[0]
            job = Job("generate", what, cell.path, cell.model.path)
            yield _filled(job, self._generation, cell)

    def _generation(self, cell: Cell) -> Figures:
        shape, source = self.base(cell.model.base)
        prompts = self.data.prompts(cell.model.base, cell.benchmark)
        answers = self.data.answers(cell)
        decode = self.study.asked[cell.benchmark].decode
        assert decode is not None, "prompted benchmarks are decoded (checked on load)"
        return {
            "work": self._asked(shape).write(prompts, answers, decode),
            "memory": self._held(shape, "write"),
            "reads": prompts,
            "writes": answers,
            "sources": (source, prompts.source, answers.source),
            "disk": self.assumed.answer_bytes * answers.total,
        }

    def _judgements(self) -> Iterator[Job]:
        for cell in self._cells():
            for name in self.study.asked[cell.benchmark].judges:
                if self.study.config.judges[name].method != "model":
                    continue
                # A likelihood's model is the base, which answers for itself too.
                chain = self.study.judge_chain(name, cell.model.base)[0]
                job = Job("judge", name, f"{name}/{cell.path}", chain)
                yield _filled(job, self._judgement, name, cell)

    def _judgement(self, name: str, cell: Cell) -> Figures:
        prompts = self.data.prompts(cell.model.base, cell.benchmark)
        answers = self.data.answers(cell)
        return self._read(name, cell.model.base, prompts, answers)

    def _measures(self) -> Iterator[Job]:
        for name in self.study.measured():
            if self.study.config.judges[name].method == "model":
                job = Job("measure", name, name, self.study.judge_chain(name, "")[0])
                yield _filled(job, self._measure, name)

    def _measure(self, name: str) -> Figures:
        prompts, answers = self.data.labelled(name)
        return self._read(name, "", prompts, answers)

    def _read(self, name: str, base: str, prompts: Tokens, answers: Tokens) -> Figures:
        shape, source = self.judge(name, base)
        entry = self.study.config.judges[name]
        asked = self._asked(shape)
        read = answers.shifted(round(asked.beside(entry, prompts.mean)))
        return {
            "work": asked.judge(entry, read),
            "memory": self._held(shape, memory.judge_use(entry)),
            "reads": read,
            "sources": (source, prompts.source, answers.source),
        }

    def _capabilities(self) -> Iterator[Job]:
        for cell in self.study.cells(self.study.suites):
            job = Job("capability", cell.benchmark, cell.path, cell.model.path)
            yield _filled(job, self._capability, cell)

    def _capability(self, cell: Cell) -> Figures:
        shape, source = self.base(cell.model.base)
        suite = self.study.config.benchmarks[cell.benchmark]
        tasks = [self.data.task(name, suite.limit) for name in suite.tasks]
        asked = self._asked(shape)
        works = [asked.task(task, lengths) for task, lengths in tasks]
        return {
            "work": sum(works, start=NOTHING),
            "memory": self._held(shape, "write"),
            "reads": merge([lengths for _, lengths in tasks]),
            "sources": (source, *(lengths.source for _, lengths in tasks)),
        }

    def _asked(self, shape: ShapeSpec) -> Asked:
        spec = self.study.config.study.engine
        return Asked(shape, limits(self.device, spec.dtype), spec, self.assumed)

    def _held(self, shape: ShapeSpec, use: memory.Use) -> Memory:
        spec = self.study.config.study.engine
        return memory.engine_memory(shape, spec, self.device, use)


def _known(found: Known | None, name: str, file: str) -> Known:
    if found is None:
        raise UnknownError(
            f"the shape of {name} is not known: fetch it, or give its entry of {file}"
            " a `shape`"
        )
    return found


def _filled(job: Job, figures: Callable[..., Figures], *of: Any) -> Job:
    """Return a job with its figures, or with the reason that it has none."""
    try:
        return replace(job, **figures(*of))
    except UnknownError as error:
        return replace(job, unknown=str(error))
