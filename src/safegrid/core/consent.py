"""Consent to what may harm, by the names that the user has listed."""

import os
from collections.abc import Mapping

REMOTE_CODE = "SAFEGRID_REMOTE_CODE"
"""Bases, judges and sources whose Python files may be fetched and run."""
RUN_CODE = "SAFEGRID_RUN_CODE"
"""Tasks whose metric may run what a model wrote."""
WRITE_TEXT = "SAFEGRID_WRITE_TEXT"
"""Studies whose prompts and answers may be written as they are, for people to read."""


def names_of(variable: str, environment: Mapping[str, str]) -> frozenset[str]:
    """Return the names that a variable lists, with commas between them."""
    listed = environment.get(variable, "").split(",")
    return frozenset(filter(None, (part.strip() for part in listed)))


def allowed(variable: str, name: str) -> bool:
    """Say whether a variable of the environment lists a name."""
    return name in names_of(variable, os.environ)
