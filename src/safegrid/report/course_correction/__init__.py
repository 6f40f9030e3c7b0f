"""Tables and figures of Course-Correction (arXiv 2407.16637)."""

from safegrid.report.course_correction.figures import FIGURES
from safegrid.report.course_correction.tables import TABLES

__all__ = ["FIGURES", "TABLES"]
