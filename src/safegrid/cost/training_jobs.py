"""The jobs of a plan that train: reference log-probabilities, and trainings."""

from collections.abc import Iterator

from safegrid.config.methods import METHODS
from safegrid.cost.jobs import Figures, Job, Planned, filled
from safegrid.cost.memory import reference_memory, training_memory
from safegrid.cost.trainings import checkpoint_bytes, model_bytes, reference, train
from safegrid.study.grid import Model


class TrainingJobs(Planned):
    """A plan's references and trainings."""

    def references(self) -> Iterator[Job]:
        """Give a job for each file of reference values, which models share."""
        seen = set()
        folder = f"{self.study.root}/reference/"
        shared = self.study.reference_settings
        for model in self.study.trained:
            recipe = self.study.recipe(model.recipe)
            own = recipe.training.precision, recipe.training.per_device_train_batch_size
            files = [
                (f, "shared", (*shared, self.study.reference_share(model)))
                for f in self.study.reference(model)
            ]
            for file in self.study.kto_reference(model):
                files.append((file, "KTO's", (*own, recipe.fraction)))
            for file, what, settings in files:
                if file not in seen:
                    seen.add(file)
                    name = file.removeprefix(folder).removesuffix(".parquet")
                    start = self.study.parent(model).path
                    job = Job("reference", what, name, start)
                    yield filled(job, self._reference, model, *settings)

    def _reference(
        self, model: Model, precision: str, micro_batch: int, share: float
    ) -> Figures:
        shape, source = self.base(model.base)
        recipe = self.study.recipe(model.recipe)
        both = self.data.pairs(model).both
        return {
            "work": reference(shape, self.device, both, precision, share),
            "memory": reference_memory(
                shape, precision, micro_batch, self.longest(recipe.dataset)
            ),
            "reads": both,
            "sources": (source, both.source),
        }

    def trainings(self) -> Iterator[Job]:
        """Give a job for each model that is trained."""
        for model in self.study.trained:
            method = self.study.recipe(model.recipe).method
            job = Job("train", method, model.path, model.path)
            yield filled(job, self._training, model)

    def _training(self, model: Model) -> Figures:
        shape, source = self.base(model.base)
        recipe = self.study.recipe(model.recipe)
        pairs = self.data.pairs(model)
        trainer = METHODS[recipe.method].trainer
        read = pairs.chosen if trainer == "sft" else pairs.both
        settings = recipe.training
        return {
            "gpus": settings.processes,
            "work": train(shape, self.device, read, recipe),
            "memory": training_memory(
                shape, settings, trainer, self.longest(recipe.dataset)
            ),
            "reads": read,
            "sources": (source, read.source),
            "disk": (1 + len(settings.doses)) * model_bytes(shape, settings),
            "scratch": checkpoint_bytes(shape, settings),
        }
