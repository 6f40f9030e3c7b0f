"""Files of cells: what models are asked, what they answered, how they were judged."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from safegrid.study import Study
from safegrid.study.grid import Cell, Model


def names(study: Study, cell: Cell) -> str:
    """Return the names of a cell, as judging and scoring are given them."""
    own = {**asdict(cell.model), "benchmark": cell.benchmark}
    return json.dumps({"study": study.name, **own})


def prompts(study: Study, asked: Iterable[str]) -> list[str]:
    """Return the prompts of benchmarks, or of prompt pools."""
    return [f"{study.root}/prompts/{name}.parquet" for name in asked]


def overlap(study: Study, benchmarks: Iterable[str]) -> list[str]:
    """Return what benchmarks share with the datasets; none without any dataset."""
    held = benchmarks if study.config.study.datasets else ()
    return [f"{study.root}/overlap/{name}.json" for name in held]


def answers(study: Study, cell: Cell) -> str:
    """Return what a model gave: responses, likelihoods, a suite's results."""
    if cell.benchmark in study.suites:
        return f"{study.root}/capability/{cell.path}.json"
    kind = "likelihoods" if cell.benchmark in study.likelihoods else "responses"
    return f"{study.root}/{kind}/{cell.path}.parquet"


def all_answers(study: Study, cells: Iterable[Cell]) -> list[str]:
    """Return the same of several cells."""
    return [answers(study, cell) for cell in cells]


def verdicts(study: Study, *cells: Cell) -> list[str]:
    """Return the verdicts on cells, one for each judge of a benchmark or pool."""
    return [
        f"{study.root}/verdicts/{judge}/{cell.path}.parquet"
        for cell in cells
        for judge in study.asked[cell.benchmark].judges
    ]


def made_of(study: Study, cell: Cell) -> list[str]:
    """Return what the scores of a cell are computed from: answers and all verdicts."""
    judged = [] if cell.benchmark in study.suites else verdicts(study, cell)
    return [answers(study, cell), *judged]


def scores(study: Study, cell: Cell) -> str:
    """Return the scores of a cell."""
    return f"{study.root}/scores/{cell.path}.parquet"


def files(study: Study, cell: Cell) -> list[str]:
    """Return all that a cell is: its answers, all its verdicts, and its scores."""
    return [*made_of(study, cell), scores(study, cell)]


# ---------------------------------------------------------------- a model's


def pools_of(study: Study, model: Model) -> list[Cell]:
    """Return a model with every prompt pool that it answers."""
    return [cell for cell in study.pool_cells if cell.model == model]


def model_answers(study: Study, model: Model) -> list[str]:
    """Return what a model gave to every benchmark and prompt pool that it answers."""
    benchmarks = model.on(study.config.benchmarks)
    return all_answers(study, [*benchmarks, *pools_of(study, model)])


def model_verdicts(study: Study, model: Model) -> list[str]:
    """Return every verdict on a model."""
    return verdicts(study, *model.on(study.prompted), *pools_of(study, model))


def cell_manifests(study: Study, model: Model) -> list[str]:
    """Return the files in which a model's answers end, and its verdicts if any."""
    ends = ["answers", "verdicts"] if study.prompted else ["answers"]
    return [f"{study.root}/cell_manifests/{model.path}/{name}.json" for name in ends]


# ---------------------------------------------------------------- a dataset's


def made_from(study: Study, dataset: str, base: str, seed: int) -> list[Cell]:
    """Return the cells whose answers a dataset is made of; base and seed are theirs."""
    spec = study.generated[dataset]
    return Model(base, spec.recipe, int(seed)).on(spec.pools(dataset))
