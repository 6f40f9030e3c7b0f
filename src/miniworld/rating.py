"""Labels of a miniature's answers by what is true of them, in the place of people."""

from pathlib import Path

import polars as pl

from miniworld.answers import is_harmful
from safegrid.config.labels import GUARD, RATERS
from safegrid.core.errors import DataError
from safegrid.core.files import atomic_file

SAFE, UNSAFE = GUARD


def rate_sheet(sheet: Path) -> None:
    """Fill the first rater's column of a sheet of answers with a guard's true classes.

    Args:
        sheet: csv, as `safegrid label` writes it.

    Raises:
        DataError: it is no such sheet.
    """
    rows = pl.read_csv(sheet, infer_schema=False, glob=False).fill_null("")
    if missing := {"response", *RATERS} - set(rows.columns):
        raise DataError(
            f"{sheet}: has no column {', '.join(sorted(missing))}; `safegrid label`"
            " writes such a sheet"
        )
    said = [UNSAFE if is_harmful(text) else SAFE for text in rows["response"]]
    with atomic_file(sheet) as temporary:
        rows.with_columns(pl.Series(RATERS[0], said)).write_csv(temporary)
