"""Cells of a study by the names of their parts, as `--config` gives them.

`snakemake cell --config recipe=nca benchmark=alert` means one cell, target `cells` all
that fit.
"""

from collections.abc import Mapping
from typing import Any

from safegrid.config.documents import Problems
from safegrid.config.training import why_no_dose
from safegrid.core.errors import ConfigError
from safegrid.study import Study
from safegrid.study.cells import cell_manifests, files
from safegrid.study.grid import Cell

KEYS = ("base", "recipe", "seed", "benchmark")
# Options may say the method in place of the recipes that use it.
METHOD = "method"
OPTIONS = (*KEYS, METHOD)
# Beside them: whether what is there and current is made again all the same.
FORCE = "force"


class Selection:
    """What a user asked for: a value for some of the parts of a cell's name.

    Attributes:
        forced: whether to make again what is there and current.
    """

    def __init__(self, study: Study, options: Mapping[str, Any]) -> None:
        """Read options of `--config`.

        Raises:
            ConfigError: one message with every name that the study does not hold.
        """
        self._study = study
        self._asked = {
            key: str(options[key]) for key in OPTIONS if options.get(key) is not None
        }
        problems = Problems()
        for key, value in self._asked.items():
            known = {self._parts(cell)[key] for cell in self._all()}
            why = why_no_dose(value, study.config.recipes) if key == "recipe" else None
            if why is not None:
                problems.add("--config", key, why)
            elif value not in known:
                problems.unknown("--config", key, value, key, known)
        # Snakemake hands over `true` as a text and `True` as a truth.
        force = str(options.get(FORCE) or False).lower()
        self.forced = force == "true"
        if force not in ("true", "false"):
            problems.add("--config", FORCE, f"got {force!r}; expected true or false")
        problems.raise_if_any("selection")

    @property
    def by_benchmark(self) -> bool:
        """Whether single cells were asked for, not all cells of some models."""
        return "benchmark" in self._asked

    def files(self) -> list[str]:
        """Return all files of the cells that fit, and those in which they end."""
        cells, study = self.cells(), self._study
        if self.by_benchmark:
            folder = f"{study.root}/cell_manifests"
            ends = [f"{folder}/{c.model.path}/cells/{c.benchmark}.json" for c in cells]
        else:
            models = dict.fromkeys(cell.model for cell in cells)
            ends = [file for model in models for file in cell_manifests(study, model)]
        return [*(file for cell in cells for file in files(study, cell)), *ends]

    def cells(self) -> list[Cell]:
        """Return the cells that fit.

        Raises:
            ConfigError: nothing was asked for, or no cell fits all of it.
        """
        if not self._asked:
            options = " ".join(f"{key}=..." for key in OPTIONS)
            raise ConfigError(f"which cells? Say some of them: --config {options}")
        wanted = self._asked.items()
        found = [cell for cell in self._all() if wanted <= self._parts(cell).items()]
        if not found:
            raise ConfigError(f"no cell of {self._study.name!r} has {self._said()}")
        return found

    def cell(self) -> Cell:
        """Return the one cell that fits.

        Raises:
            ConfigError: several fit; the message says what tells them apart.
        """
        found = self.cells()
        if len(found) == 1:
            return found[0]
        choices = []
        for key in KEYS:
            values = {self._parts(cell)[key] for cell in found}
            choices += [f"{key}: {', '.join(sorted(values))}"] * (len(values) > 1)
        raise ConfigError(
            f"{len(found)} cells of {self._study.name!r} have {self._said()}; say which"
            f" with --config, or take target `cells` for all ({'; '.join(choices)})"
        )

    def _said(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self._asked.items())

    def _all(self) -> list[Cell]:
        return list(self._study.cells(self._study.config.benchmarks))

    def _parts(self, cell: Cell) -> dict[str, str]:
        model = cell.model
        recipe = self._study.config.recipes.get(model.trained_as)
        return {
            "base": model.base,
            "recipe": model.recipe,
            "seed": str(model.seed),
            "benchmark": cell.benchmark,
            METHOD: model.recipe if recipe is None else recipe.method,
        }
