"""What runs foreign code is done only for names that the user has listed."""

import os

REMOTE_CODE = "SAFEGRID_REMOTE_CODE"
"""Bases, judges and sources whose Python files may be fetched and run."""
RUN_CODE = "SAFEGRID_RUN_CODE"
"""Tasks whose metric may run what a model wrote."""


def allowed(variable: str, name: str) -> bool:
    """Whether a variable of the environment, names with commas between, has a name."""
    listed = [part.strip() for part in os.environ.get(variable, "").split(",")]
    return bool(name) and name in listed
