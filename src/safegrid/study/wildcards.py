"""From a job's wildcards to a question: the functions that rules hand to Snakemake.

`raw=of(STUDY.dataset_files, "dataset")` reads: the files of the dataset that the
wildcards name. Snakemake asks for each job when it is planned, never while it reads the
rules.
"""

from collections.abc import Callable
from typing import Any

from safegrid.study.grid import Cell, Model

Asked = Callable[[Any], Any]
"""An input or params function: Snakemake's wildcards to a value."""


def of(ask: Callable[..., Any], *names: str) -> Asked:
    """Ask by these wildcards, in this order."""
    return lambda wildcards: ask(*(_value(wildcards, name) for name in names))


def of_model(ask: Callable[[Model], Any]) -> Asked:
    """Ask by the model that base, recipe and seed name."""
    return lambda wildcards: ask(model_of(wildcards))


def of_cell(ask: Callable[[Cell], Any]) -> Asked:
    """Ask by the cell that a model and a benchmark name."""
    return lambda wildcards: ask(Cell(model_of(wildcards), wildcards.benchmark))


def of_study(ask: Callable[[], Any]) -> Asked:
    """Ask for what is the same whatever the wildcards are."""
    return lambda wildcards: ask()


def model_of(wildcards: Any) -> Model:
    """The model that wildcards name."""
    return Model(wildcards.base, wildcards.recipe, int(wildcards.seed))


def _value(wildcards: Any, name: str) -> str | int:
    value = getattr(wildcards, name)
    return int(value) if name == "seed" else str(value)
