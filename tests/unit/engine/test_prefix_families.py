"""Rows that begin alike stand together, where that saves enough."""

import random

import pytest

from safegrid.engine.prefixes import WORTH, common_length, families

FIRST, SECOND = list(range(1, 301)), list(range(500, 800))


@pytest.fixture
def rows():
    """Rows of two tasks in turn, and two of neither."""
    tasks = [
        [*begun, 1000 + item, label]
        for item in range(6)
        for begun in (FIRST, SECOND)
        for label in (1, 2)
    ]
    return [[9, 9, 9], *tasks, [8, *FIRST]]


def test_rows_of_a_task_stand_together_and_others_last(rows):
    first, second, others = families(rows)
    assert [rows[index][0] for index in first] == [1] * 12
    assert [rows[index][0] for index in second] == [500] * 12
    assert others == [0, len(rows) - 1]
    assert first == sorted(first)


def test_every_row_has_one_family_in_whatever_order_they_come(rows):
    orders = [
        random.Random(seed).sample(range(len(rows)), len(rows)) for seed in (1, 2)
    ]
    for order in orders:
        found = families([rows[index] for index in order])
        assert sorted(index for family in found for index in family) == sorted(order)
        assert [len(family) for family in found] == [12, 12, 2]
    assert families([]) == []


def test_a_family_that_saves_little_stays_with_the_others():
    short = [[*range(50), item] for item in range(WORTH // 50)]
    assert families(short) == [list(range(len(short)))]
    assert common_length(short) == 50
    longer = [[*range(50), item] for item in range(WORTH // 50 + 2)]
    assert families([[7], *longer]) == [list(range(1, len(longer) + 1)), [0]]
