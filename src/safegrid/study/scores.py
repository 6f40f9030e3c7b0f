"""Scores: what those of a cell, and of a model's safety, are computed from."""

import json
from dataclasses import asdict

from safegrid.config.benchmarks import GLOBAL
from safegrid.config.training import NONE
from safegrid.study.cells import CellFiles
from safegrid.study.grid import Cell, Model


class ScoreFiles(CellFiles):
    """A study, asked for what scores are computed from."""

    def cell_block(self, cell: Cell) -> str:
        """The names of a cell, as judging and scoring are given them."""
        model, benchmark = asdict(cell.model), cell.benchmark
        return json.dumps({"study": self.name, **model, "benchmark": benchmark})

    def overlap(self, benchmark: str) -> list[str]:
        """What a benchmark shares with the datasets; empty without any dataset."""
        if not self.config.study.datasets:
            return []
        return [f"{self.root}/overlap/{benchmark}.json"]

    def metric(self, benchmark: str) -> str:
        """What a benchmark measures."""
        return self.config.benchmarks[benchmark].metric

    def scores(self) -> list[str]:
        """Every score file that the study's tables gather."""
        cells = list(self.cells(self.config.benchmarks))
        if len(self.safety) > 1:
            cells += [Cell(model, GLOBAL) for model in self.models]
        return [f"{self.root}/scores/{cell.path}.parquet" for cell in cells]

    # ------------------------------------------------- of the same base, untouched

    def base_responses(self, cell: Cell) -> str:
        """The base's own responses to the benchmark of a cell."""
        return self.responses(self.base_cell(cell))

    def base_verdicts(self, cell: Cell) -> list[str]:
        """The verdicts on them."""
        return self.verdicts(self.base_cell(cell))

    def base_result(self, cell: Cell) -> str:
        """The base's own results of a capability suite, or its own likelihoods."""
        return self.answers(self.base_cell(cell))

    def base_answers(self) -> list[str]:
        """What every base, untouched, gave to every benchmark."""
        bases = [Model(base, NONE, 0) for base in self.config.study.bases]
        return [
            self.answers(Cell(model, name))
            for model in bases
            for name in self.config.benchmarks
        ]

    # ---------------------------------------------------------------- global score

    def global_block(self, model: Model) -> str:
        """The names of a model's global score."""
        return self.cell_block(Cell(model, GLOBAL))

    def global_prompts(self) -> list[str]:
        """The prompts of all safety benchmarks."""
        return [self.prompts(name) for name in self.safety]

    def global_responses(self, model: Model) -> list[str]:
        """A model's responses to them."""
        return [self.responses(cell) for cell in self._safety_cells(model)]

    def global_verdicts(self, model: Model) -> list[str]:
        """The verdicts on those."""
        return self.verdicts_of(self._safety_cells(model))

    def global_base_responses(self, model: Model) -> list[str]:
        """The responses of its base, untouched."""
        return [self.base_responses(cell) for cell in self._safety_cells(model)]

    def global_base_verdicts(self, model: Model) -> list[str]:
        """The verdicts on those."""
        return self.verdicts_of(map(self.base_cell, self._safety_cells(model)))

    def _safety_cells(self, model: Model) -> list[Cell]:
        return [Cell(model, name) for name in self.safety]
