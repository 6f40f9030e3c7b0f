"""Names of the grid: models and cells, as wildcards and paths name them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from safegrid.config.training import NONE, split_dose


@dataclass(frozen=True, order=True)
class Model:
    """base x recipe x seed; recipe `none` is the base untouched, with seed 0 only.

    Recipe `nca@10` is a dose: the model after 10 steps of the training of `nca`.
    """

    base: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """The part of a path that names this model."""
        return f"{self.base}/{self.recipe}/seed{self.seed}"

    @property
    def trained_as(self) -> str:
        """The recipe whose training this model is of, without the dose."""
        return split_dose(self.recipe)[0]

    @property
    def dose(self) -> int | None:
        """The step of that training; None at its end, and for the base untouched."""
        return split_dose(self.recipe)[1]

    @property
    def untouched(self) -> "Model":
        """The base of this model, which differences refer to."""
        return Model(self.base, NONE, 0)

    def on(self, benchmarks: Iterable[str]) -> "list[Cell]":
        """Return this model's cells on several benchmarks, or prompt pools."""
        return [Cell(self, name) for name in benchmarks]


@dataclass(frozen=True)
class Cell:
    """model x benchmark: what a user reruns alone."""

    model: Model
    benchmark: str

    @property
    def path(self) -> str:
        """The part of a path that names this cell."""
        return f"{self.model.path}/{self.benchmark}"

    @property
    def untouched(self) -> "Cell":
        """The same benchmark under the base untouched."""
        return Cell(self.model.untouched, self.benchmark)


def model_of(wildcards: Any) -> Model:
    """Return the model that a job's wildcards name."""
    return Model(wildcards.base, wildcards.recipe, int(wildcards.seed))


def cell_of(wildcards: Any) -> Cell:
    """Return the cell that a job's wildcards name."""
    return Cell(model_of(wildcards), wildcards.benchmark)


def one_of(names: Iterable[str]) -> str:
    """Return the pattern of a wildcard that may only take these names."""
    return "|".join(re.escape(name) for name in names) or r"(?!)"
