"""Planner of a study's GPU jobs, each with its work and its memory."""

from collections.abc import Callable, Iterator
from functools import cache, partial

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.methods import METHODS
from safegrid.cost.data import Data
from safegrid.cost.engines import PlannedEngine
from safegrid.cost.flops import NOTHING, forward, limits, train
from safegrid.cost.jobs import Figures, Job
from safegrid.cost.memory import (
    Use,
    checkpoint_bytes,
    engine_memory,
    judge_use,
    model_bytes,
    reference_memory,
    training_memory,
)
from safegrid.cost.registry import base_shape, judge_shape
from safegrid.cost.tokens import Tokens, merge
from safegrid.judge.changes import CHANGES
from safegrid.study import judges, trainings
from safegrid.study.grid import Cell, Model

# What a rule's jobs do, in words before the name of a base or a judge.
DONE = {
    "generate": "generate by",
    "capability": "capability by",
    "reference_likelihood": "known answers read by",
    "judge": "judge by",
    "judge_stress": "stress of",
    "validate_judge": "validation of",
    "calibrate": "calibrate",
}


class Planner:
    """Makes the jobs of a study for a GPU."""

    def __init__(self, data: Data, device: GpuSpec) -> None:
        self.data = data
        self.study = data.study
        self.device = device
        # Each reads a file of the model, where that is there.
        self._base = cache(partial(base_shape, self.study, root=data.root))
        self._judge = cache(partial(judge_shape, self.study, root=data.root))

    def jobs(self) -> list[Job]:
        """Return all jobs of the study that a model works in, with their figures."""
        return [job.filled() for job in self.planned()]

    def planned(self) -> Iterator[Job]:
        """Give them with their memory only, for which no lengths are read."""
        yield from self._references()
        yield from map(self._training_job, self.study.trained)
        for cell in self.study.prompted_cells:
            yield self._cell_job("generate", cell, self._generation)
        yield from self._judgements()
        for cell in self.study.cells(self.study.suites):
            yield self._cell_job("capability", cell, self._capability)
        for cell in self.study.cells(self.study.likelihoods):
            yield self._cell_job("reference_likelihood", cell, self._likelihood)
        for judge in filter(self._has_model, judges.validated(self.study)):
            lengths = partial(self.data.labelled, judge)
            figures = partial(self._judgement, judge, "", lengths)
            yield self._judge_job("validate_judge", judge, "", judge, figures)
        for judge in filter(self._has_model, judges.stressed(self.study)):
            figures = partial(
                self._judgement, judge, "", partial(self._stressed, judge)
            )
            yield self._judge_job("judge_stress", judge, "", judge, figures)
        for judge, base in judges.calibrated(self.study):
            figures = partial(self._calibration, judge, base)
            name = f"{judge}/{base}"
            yield self._judge_job("calibrate", judge, base, name, figures)

    def _references(self) -> Iterator[Job]:
        """Give a job for each file of reference values, which models share."""
        precision, size = trainings.reference_settings(self.study)
        shared = {"precision": precision, "per_device_train_batch_size": size}
        made: set[str] = set()
        for model in self.study.trained:
            own = trainings.kto_reference(self.study, model)
            for rule, what, changed, files in (
                ("reference", "shared", shared, trainings.reference(self.study, model)),
                ("kto_reference", "KTO's", {}, own),
            ):
                for file in set(files) - made:
                    made.add(file)
                    yield self._reference_job(rule, what, changed, file, model)

    def _reference_job(
        self, rule: str, what: str, changed: dict[str, object], file: str, model: Model
    ) -> Job:
        recipe = self.study.recipe(model.recipe)
        settings = recipe.training.model_copy(update=changed)
        folder = f"{self.study.root}/reference/"
        return Job(
            rule=rule,
            what=what,
            name=file.removeprefix(folder).removesuffix(".parquet"),
            model=self.study.parent(model).path,
            base=model.base,
            subject=f"{rule} of {recipe.dataset} under {model.base}",
            shape=self._base(model.base),
            settings=settings,
            held=partial(reference_memory, longest=self._longest(recipe.dataset)),
            figures=partial(self._reference, rule, settings.precision, model),
        )

    def _reference(
        self, rule: str, precision: str, model: Model, shape: ShapeSpec
    ) -> Figures:
        pairs = self.data.pairs(model)
        share, read = self.study.recipe(model.recipe).fraction, pairs.both
        if rule == "reference":
            share = trainings.reference_share(self.study, model)
            read = pairs.rows
        # Rows go through sorted by length, so next to nothing is padded.
        work = forward(shape, limits(self.device, precision), share * read.total)
        return {"work": work, "reads": read}

    def _training_job(self, model: Model) -> Job:
        recipe = self.study.recipe(model.recipe)
        trainer = METHODS[recipe.method].trainer
        longest = self._longest(recipe.dataset)
        return Job(
            rule="train",
            what=recipe.method,
            name=model.path,
            model=model.path,
            base=model.base,
            subject=f"training of {{}} from {model.base}",
            shape=self._base(model.base),
            settings=recipe.training,
            held=partial(training_memory, trainer=trainer, longest=longest),
            figures=partial(self._training, model),
            recipe=recipe.name,
            gpus=recipe.training.processes,
        )

    def _training(self, model: Model, shape: ShapeSpec) -> Figures:
        recipe = self.study.recipe(model.recipe)
        settings = recipe.training
        pairs = self.data.pairs(model)
        alone = METHODS[recipe.method].trainer == "sft"
        return {
            "work": train(shape, self.device, pairs, recipe),
            "reads": pairs.chosen if alone else pairs.both,
            "disk": (1 + len(settings.doses)) * model_bytes(shape, settings),
            "scratch": checkpoint_bytes(shape, settings),
        }

    def _longest(self, dataset: str) -> int:
        return self.study.config.study.datasets[dataset].max_length

    def _cell_job(
        self, rule: str, cell: Cell, figures: Callable[[Cell, ShapeSpec], Figures]
    ) -> Job:
        base = cell.model.base
        use: Use = "score" if rule == "reference_likelihood" else "write"
        return Job(
            rule=rule,
            # The parts of a pool are one row of a plan.
            what=cell.benchmark.partition("/")[0],
            name=cell.path,
            model=cell.model.path,
            base=base,
            subject=f"{DONE[rule]} {base}",
            shape=self._base(base),
            settings=self.study.engine(base),
            held=partial(engine_memory, gpu=self.device, use=use),
            figures=partial(figures, cell),
        )

    def _generation(self, cell: Cell, shape: ShapeSpec) -> Figures:
        prompts, answers = self.data.asked(cell)
        decode = self.study.asked[cell.benchmark].decode
        assert decode is not None, "prompted benchmarks are decoded (checked on load)"
        engine = self._engine(shape, cell.model.base)
        return {
            "work": engine.write(prompts, answers, decode),
            "reads": prompts,
            "writes": answers,
            "disk": self.data.assumed.answer_bytes * answers.total,
        }

    def _capability(self, cell: Cell, shape: ShapeSpec) -> Figures:
        suite = self.study.config.benchmarks[cell.benchmark]
        tasks = [self.data.task(name, suite.limit) for name in suite.tasks]
        engine = self._engine(shape, cell.model.base)
        works = [engine.task(task, lengths) for task, lengths in tasks]
        return {
            "work": sum(works, start=NOTHING),
            "reads": merge([lengths for _, lengths in tasks]),
            "sources": [lengths.source for _, lengths in tasks],
        }

    def _likelihood(self, cell: Cell, shape: ShapeSpec) -> Figures:
        read = self.data.references(cell.model.base, cell.benchmark)
        engine = self._engine(shape, cell.model.base)
        return {"work": engine.read(read.total), "reads": read}

    def _engine(self, shape: ShapeSpec, base: str) -> PlannedEngine:
        spec = self.study.engine(base)
        device = limits(self.device, spec.dtype)
        return PlannedEngine(shape, device, spec, self.data.assumed)

    def _judgements(self) -> Iterator[Job]:
        """Give a job for each judge of each cell that has a model."""
        for cell in self.study.prompted_cells:
            base, lengths = cell.model.base, partial(self.data.asked, cell)
            for judge in filter(
                self._has_model, self.study.asked[cell.benchmark].judges
            ):
                figures = partial(self._judgement, judge, base, lengths)
                name = f"{judge}/{cell.path}"
                yield self._judge_job("judge", judge, base, name, figures)

    def _has_model(self, judge: str) -> bool:
        return self.study.config.judges[judge].method == "model"

    def _judge_job(
        self,
        rule: str,
        judge: str,
        base: str,
        name: str,
        figures: Callable[[ShapeSpec], Figures],
    ) -> Job:
        entry = self.study.config.judges[judge]
        own = judges.base_read(self.study, judge, base)
        use = "write" if rule == "calibrate" else judge_use(entry)
        return Job(
            rule=rule,
            what=judge,
            name=name,
            model=judges.stack(self.study, judge, base)[0],
            base=base,
            subject=f"{DONE[rule]} {judge}" + (f" of {own}" if own else ""),
            shape=self._judge(judge, base),
            settings=self.study.engine(own),
            held=partial(engine_memory, gpu=self.device, use=use),
            figures=figures,
        )

    def _judgement(
        self,
        judge: str,
        base: str,
        lengths: Callable[[], tuple[Tokens, Tokens]],
        shape: ShapeSpec,
    ) -> Figures:
        prompts, answers = lengths()
        read = self.data.judged(judge, prompts, answers)
        engine = self._engine(shape, judges.base_read(self.study, judge, base))
        return {
            "work": engine.judge(self.study.config.judges[judge], read),
            "reads": read,
            "sources": [prompts.source, answers.source],
        }

    def _stressed(self, judge: str) -> tuple[Tokens, Tokens]:
        """Return the prompts that a judge reads, and its sample in every form."""
        every = [self.data.asked(cell) for cell in judges.cells(self.study, judge)]
        prompts, answers = (merge(side) for side in zip(*every, strict=True))
        drawn = min(self.study.config.study.stress_answers, answers.rows)
        forms = Tokens.alike(round(answers.mean), drawn, answers.source)
        return prompts, forms.times(len(CHANGES))

    def _calibration(self, judge: str, base: str, shape: ShapeSpec) -> Figures:
        texts = self.data.fluent_texts(judge)
        return {"work": self._engine(shape, base).calibrate(texts), "reads": texts}
