"""Logging and progress bars, configured in one place (the command line)."""

import logging
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def configure(level: int = logging.INFO) -> None:
    """Send the package's log lines to stderr, libraries from WARNING on.

    Where stderr is no terminal, the libraries' progress bars are switched off too;
    tqdm reads its variable when it is imported, so this comes first.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    logging.getLogger("safegrid").setLevel(level)


def progress(
    total: int,
    unit: str,
    description: str,
    items: Iterable[Any] | None = None,
    done: int = 0,
) -> "tqdm[Any]":
    """Return a bar with counts and a rate; silent where stderr is not a terminal.

    It goes over `items`, a unit each, or the caller calls `update`. Of the `total`,
    the units that were `done` before count for no rate.
    """
    from tqdm import tqdm

    bar: tqdm[Any] = tqdm(
        items, total=total, initial=done, unit=unit, desc=description, disable=None
    )
    return bar
