"""Tables and figures that the report of a study has from its paper."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

from safegrid.report import (
    alignment,
    course_correction,
    course_figures,
    safe_to_serve,
    serve_figures,
)
from safegrid.report.table import Table


class Pages(NamedTuple):
    """Tables and figures by the name of their files.

    Each is made from our scores and the paper's published numbers. The rules name the
    same files: `rules/pages.yaml`.
    """

    tables: Mapping[str, Callable[[pl.DataFrame, pl.DataFrame], Table]]
    figures: Mapping[str, Callable[[pl.DataFrame, pl.DataFrame], Figure]]


PAPERS = {
    "2407.16637": Pages(course_correction.TABLES, course_figures.FIGURES),
    "2409.07772": Pages(alignment.TABLES, alignment.FIGURES),
    "2412.00074": Pages(safe_to_serve.TABLES, serve_figures.FIGURES),
}
"""The pages of each paper that a study may name as its own, by arXiv number."""
