"""Rows that begin with the same tokens: how many, and which rows they are.

Imports nothing heavy: plans count by it too.
"""

import itertools
from collections.abc import Sequence

LEAST = 16
"""Fewer shared tokens are not worth a forward of their own."""
WORTH = 512
"""Fewer tokens that a family saves are not worth chunks of its own."""


def families(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group rows that share most of their tokens: those of a task share its examples.

    A family holds neighbours in dictionary order that share at least half of the longer
    one. Rows whose family would save less than WORTH tokens stand together, and last.

    Returns:
        Indices into `rows`, ascending in each family.
    """
    grouped: list[list[int]] = []
    for index in sorted(range(len(rows)), key=lambda i: (tuple(rows[i]), i)):
        before = rows[grouped[-1][-1]] if grouped else ()
        longer = max(len(before), len(rows[index]))
        if grouped and 2 * common_length([before, rows[index]]) >= longer:
            grouped[-1].append(index)
        else:
            grouped.append([index])
    kept, others = [], []
    for group in grouped:
        saved = (len(group) - 1) * common_length([rows[index] for index in group])
        if saved >= WORTH:
            kept.append(sorted(group))
        else:
            others += group
    return [*kept, sorted(others)] if others else kept


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all rows begin with: as many as the first and last do."""
    ordered = sorted(map(tuple, rows))
    both = zip(ordered[0], ordered[-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], both))
