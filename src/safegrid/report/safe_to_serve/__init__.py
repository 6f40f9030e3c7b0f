"""Tables and figures of Safe to Serve (arXiv 2412.00074)."""

from safegrid.report.safe_to_serve.figures import FIGURES
from safegrid.report.safe_to_serve.tables import TABLES

__all__ = ["FIGURES", "TABLES"]
