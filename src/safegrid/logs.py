"""Logging and progress bars, configured in one place (the command line)."""

import logging
import os
import sys
from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


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
    items: Iterable[Item], total: int, unit: str, description: str
) -> Iterable[Item]:
    """Wrap `items` in a bar with a rate; silent where stderr is not a terminal."""
    from tqdm import tqdm

    bar: Iterable[Item] = tqdm(
        items,
        total=total,
        unit=unit,
        desc=description,
        disable=not sys.stderr.isatty(),
    )
    return bar
