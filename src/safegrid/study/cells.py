"""Cells: what models are asked, what they answered, and how they were judged."""

from collections.abc import Iterable

from safegrid.study.grid import Cell, Model
from safegrid.study.rows import RowFiles


class CellFiles(RowFiles):
    """A study, asked for the files of its cells."""

    def responses(self, cell: Cell) -> str:
        """The responses file of a cell."""
        return f"{self.root}/responses/{cell.path}.parquet"

    def answers(self, cell: Cell) -> str:
        """What the model of a cell gave: responses, likelihoods, a suite's results."""
        if cell.benchmark in self.suites:
            return f"{self.root}/capability/{cell.path}.json"
        if cell.benchmark in self.likelihoods:
            return f"{self.root}/likelihoods/{cell.path}.parquet"
        return self.responses(cell)

    def verdicts(self, cell: Cell) -> list[str]:
        """Verdict files of a cell, one for each judge of its benchmark or pool."""
        judges = self.asked[cell.benchmark].judges
        return [f"{self.root}/verdicts/{judge}/{cell.path}.parquet" for judge in judges]

    def verdicts_of(self, cells: Iterable[Cell]) -> list[str]:
        """Verdict files of several cells, one after another."""
        return [file for cell in cells for file in self.verdicts(cell)]

    def made_of(self, cell: Cell) -> list[str]:
        """What the scores of a cell are computed from: answers and all verdicts."""
        if cell.benchmark in self.suites:
            return [self.answers(cell)]
        return [self.answers(cell), *self.verdicts(cell)]

    def files(self, cell: Cell) -> list[str]:
        """All that a cell is: its answers, all its verdicts, and its scores."""
        return [*self.made_of(cell), f"{self.root}/scores/{cell.path}.parquet"]

    # ---------------------------------------------------------------- a model's

    def model_answers(self, model: Model) -> list[str]:
        """What a model gave to every benchmark and prompt pool that it answers."""
        cells = [Cell(model, name) for name in self.config.benchmarks]
        return [self.answers(cell) for cell in [*cells, *self.pools_of(model)]]

    def model_verdicts(self, model: Model) -> list[str]:
        """Every verdict on a model."""
        cells = [Cell(model, name) for name in self.prompted]
        return self.verdicts_of([*cells, *self.pools_of(model)])

    def cell_manifests(self, model: Model) -> list[str]:
        """The files in which a model's answers end, and its verdicts if it has any."""
        ends = ["answers", "verdicts"] if self.prompted else ["answers"]
        return [f"{self.root}/cell_manifests/{model.path}/{name}.json" for name in ends]

    def cell_manifest(self, cell: Cell) -> str:
        """The file in which one cell ends that was asked for by name."""
        model = cell.model.path
        return f"{self.root}/cell_manifests/{model}/cells/{cell.benchmark}.json"

    # ---------------------------------------------------------------- a prompt pool's

    def generated_responses(self, dataset: str, base: str, seed: int) -> list[str]:
        """The answers that a dataset is made of."""
        return [self.responses(c) for c in self.made_from(dataset, base, seed)]

    def generated_verdicts(self, dataset: str, base: str, seed: int) -> list[str]:
        """The verdicts on them."""
        return self.verdicts_of(self.made_from(dataset, base, seed))

    # ---------------------------------------------------------------- a benchmark's

    def decode_block(self, benchmark: str) -> str:
        """How answers to a benchmark or a prompt pool are drawn, for an engine."""
        decode = self.asked[benchmark].decode
        assert decode is not None, "what is asked is decoded (checked on load)"
        return decode.model_dump_json()

    def asked_version(self, benchmark: str) -> int:
        """The number of a benchmark or a prompt pool."""
        return self.asked[benchmark].version
