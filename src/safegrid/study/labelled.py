"""Cells whose answers people labelled, and what their correction is made from."""

import json

from safegrid.study import Study
from safegrid.study.grid import Cell, Model


def cells(study: Study) -> list[Cell]:
    """Return these cells, each as often as judges' labels are of it."""
    return [
        Cell(Model(one.base, one.recipe, one.seed), one.benchmark)
        for one in study.config.labels
    ]


def named(study: Study) -> str:
    """Return the cells with judge, kind and metric, as their job is given them.

    With the benchmarks whose mean is the global score, which labels of each may mend.
    """
    found = [
        {
            **one._asdict(),
            "kind": study.config.judges[one.judge].kind,
            "metric": study.prompted[one.benchmark].metric,
        }
        for one in study.config.labels
    ]
    return json.dumps({"cells": found, "safety": study.safety})


def verdicts(study: Study) -> list[str]:
    """Return the verdicts of these judges on these cells."""
    judged = zip(study.config.labels, cells(study), strict=True)
    return [f"{study.root}/verdicts/{o.judge}/{c.path}.parquet" for o, c in judged]
