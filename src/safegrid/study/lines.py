"""Lines: each training from its base through its doses, and what it is drawn from."""

import json
from typing import Any

from safegrid.config.training import NONE
from safegrid.study.grid import Cell, Model
from safegrid.study.judges import JudgeFiles
from safegrid.study.scores import ScoreFiles

# Metrics of the benchmarks that ask harmful or benign requests.
REQUESTS = ("safety", "over_refusal")
REFUSAL, GUARD = "refusal", "guard"


class LineFiles(JudgeFiles, ScoreFiles):
    """A study, asked for what its lines of safety against loss are drawn from."""

    def all_lines(self) -> list[str]:
        """The lines of all trainings whose models answer such requests."""
        if not self._requests:
            return []
        ends = {(m.base, m.trained_as): None for m in self.models if m.recipe != NONE}
        return [f"{self.root}/frontier/{'/'.join(end)}.parquet" for end in ends]

    def line_block(self, base: str, recipe: str) -> str:
        """The models of a line, as its job is given them."""
        models: list[dict[str, Any]] = [
            {
                "recipe": model.recipe,
                "seed": model.seed,
                "place": place,
                "step": self._step(model),
            }
            for model, place in self._line(base, recipe)
        ]
        return json.dumps({"base": base, "recipe": recipe, "models": models})

    def line_benchmarks_json(self) -> str:
        """The benchmarks of harmful or benign requests, and how they are scored."""
        return json.dumps(
            {
                name: {
                    "metric": self.metric(name),
                    "judges": self.judge_kinds(name),
                }
                for name in self._requests
            }
        )

    def line_judges_json(self) -> str:
        """The refusal judge of the lines, and the judge that is asked second.

        The first refusal judge that the study names; then its first guard, or without
        one its second refusal judge.
        """
        kinds: dict[str, str] = {}
        for name in self._requests:
            kinds.update(self.judge_kinds(name))
        refusal = [judge for judge, kind in kinds.items() if kind == REFUSAL]
        guards = [judge for judge, kind in kinds.items() if kind == GUARD]
        first, second = refusal[:1], [*guards, *refusal[1:]][:1]
        named = {"refused": first, "second": second}
        return json.dumps({axis: next(iter(j), None) for axis, j in named.items()})

    # ---------------------------------------------------------------- files

    def line_prompts(self) -> list[str]:
        """The prompts of those benchmarks."""
        return [self.prompts(name) for name in self._requests]

    def line_responses(self, base: str, recipe: str) -> list[str]:
        """The responses of a line's models, model by model."""
        return [self.responses(cell) for cell in self._line_cells(base, recipe)]

    def line_verdicts(self, base: str, recipe: str) -> list[str]:
        """The verdicts on those."""
        return self.verdicts_of(self._line_cells(base, recipe))

    def line_capability(self, base: str, recipe: str) -> list[str]:
        """The capability results of a line's models, model by model."""
        models = [model for model, _ in self._line(base, recipe)]
        return [self.answers(Cell(m, suite)) for m in models for suite in self.suites]

    # ---------------------------------------------------------------- models

    @property
    def _requests(self) -> list[str]:
        prompted = self.prompted.items()
        return [name for name, spec in prompted if spec.metric in REQUESTS]

    def _line_cells(self, base: str, recipe: str) -> list[Cell]:
        models = [model for model, _ in self._line(base, recipe)]
        return [Cell(model, name) for model in models for name in self._requests]

    def _line(self, base: str, recipe: str) -> list[tuple[Model, int]]:
        """The models of a line with their places, seed by seed; the base first.

        A recipe that starts from another one's model has that model on its line.
        """
        ends = [Model(base, recipe, seed) for seed in self.seeds(recipe)]
        found = {(Model(base, NONE, 0), 0): None}
        for end in ends:
            way = [*self._starts(end), *self.doses(end), end]
            found |= {(model, place): None for place, model in enumerate(way, 1)}
        return list(found)

    def _starts(self, model: Model) -> list[Model]:
        """The trained models that a training starts from, the first one first."""
        parent = self.parent(model)
        return [] if parent.recipe == NONE else [*self._starts(parent), parent]

    def _step(self, model: Model) -> int | None:
        """The step of a model's own training; None where it is counted in epochs."""
        if model.recipe == NONE:
            return 0
        return model.dose or self.recipe(model.recipe).training.max_steps
