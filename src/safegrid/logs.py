"""Logging and progress bars, configured in one place (the command line)."""

import logging
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def configure(level: int = logging.INFO) -> None:
    """Send the package's log lines to stderr, libraries from WARNING on."""
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
    bar: Iterable[Item] = tqdm(
        items,
        total=total,
        unit=unit,
        desc=description,
        disable=not sys.stderr.isatty(),
    )
    return bar
