"""Tables and figures that the report of a study has from its paper."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

from safegrid.report import course_correction, safe_to_serve
from safegrid.report.alignment.figure_1 import figure_1
from safegrid.report.alignment.published_beside import beside_table
from safegrid.report.table import Table


class Pages(NamedTuple):
    """Tables and figures by the name of their files.

    Each is made from our scores and the paper's published numbers. The rules name the
    same files: `rules/pages.yaml`.
    """

    tables: dict[str, Callable[[pl.DataFrame, pl.DataFrame], Table]]
    figures: dict[str, Callable[[pl.DataFrame, pl.DataFrame], Figure]]


PAPERS = {
    "2407.16637": Pages(course_correction.TABLES, course_correction.FIGURES),
    "2409.07772": Pages({"published": beside_table}, {"figure_1": figure_1}),
    "2412.00074": Pages(safe_to_serve.TABLES, safe_to_serve.FIGURES),
}
"""The pages of each paper that a study may name as its own, by arXiv number."""
