"""Methods beside each other: letters, leaders, fronts, tables and a map."""

import pytest

from safegrid.core.records import Key
from safegrid.report.grid import Grid, ModelRow
from safegrid.report.methods import methods_table, pairs_map, pairs_table
from safegrid.report.pairs import Comparisons
from safegrid.report.writing import markdown, numbers
from score_tables import comparisons, frame, row

SAFE = Key("global", "guard", "safety", "all")
LOST = Key("xstest", "refusal", "benign_requests_lost", "all")
CAPABLE = Key("suite", "lm-eval", "capability", "all")
VALUES = {
    # safe, benign requests lost, capable
    "none": (0.50, 0.02, 0.90),
    "dpo": (0.90, 0.40, 0.80),
    "kto": (0.91, 0.38, 0.86),
    "nca": (0.93, 0.10, 0.88),
}
SURE = {SAFE: 0.025, LOST: 0.05, CAPABLE: 0.05}
"""Differences of less are inside chance."""


@pytest.fixture
def scores():
    rows = [
        {**row(*key[:3], value, (value - 0.1, value + 0.05), 400), "recipe": recipe}
        for recipe, values in VALUES.items()
        for key, value in zip(SURE, values, strict=True)
    ]
    return frame(rows, study="mini", base="b")


def comparison(key, first, second, value, sure):
    return {
        **key._asdict(),
        "first": first,
        "second": second,
        "value": value,
        "low": value - 0.01,
        "high": value + 0.02,
        "error": 0.01,
        "p": 0.001 if abs(value) > sure else 0.2,
        "holm": 0.004 if abs(value) > sure else 1.0,
        "smallest": 0.028,
        "seeds": 1,
        "n_clusters": 200,
    }


@pytest.fixture
def pairs(tmp_path):
    names = list(VALUES)
    rows = [
        comparison(key, second, first, VALUES[second][i] - VALUES[first][i], sure)
        for i, (key, sure) in enumerate(SURE.items())
        for n, first in enumerate(names)
        for second in names[n + 1 :]
    ]
    rows.append(
        {
            **{"kind": "front", "metric": "safe", "first": "nca"},
            **{"value": 0.96, "n": 2000},
        }
    )
    return comparisons(tmp_path, rows, base="b")


def test_letters_join_what_does_not_differ_the_best_first(pairs):
    ranked = ["nca", "kto", "dpo", "none"]
    assert pairs.letters("b", SAFE, ranked) == {
        "nca": "a",
        "kto": "ab",
        "dpo": "b",
        "none": "c",
    }


def test_those_that_do_not_differ_from_the_best_share_the_lead(pairs, scores):
    grid = Grid(scores)
    leaders = {model.recipe for model in pairs.leaders(grid, SAFE)}
    assert leaders == {"nca", "kto"}
    assert {m.recipe for m in pairs.leaders(grid, LOST)} == {"none"}
    assert {m.recipe for m in pairs.leaders(grid, CAPABLE)} == {"none", "kto", "nca"}


def test_a_front_counts_only_differences_beyond_chance(pairs, scores):
    """KTO is beaten by NCA in harmless requests, and better in nothing."""
    on = pairs.on_front(list(SURE), Grid(scores).models)
    assert {model.recipe for model in on} == {"none", "nca"}
    entry = pairs.front_share("safe", ModelRow("b", "nca"))
    assert (entry.value, entry.n) == (0.96, 0)


def test_a_method_that_was_not_compared_has_no_letter_and_no_lead(pairs, scores):
    """KTO lacks its comparison with NCA, so it is not known to share its lead."""
    del pairs._rows["b", SAFE][frozenset(("kto", "nca"))]
    letters = pairs.letters("b", SAFE, ["nca", "kto", "dpo", "none"])
    assert sorted(letters.values()) == ["", "a", "b", "c"]
    assert len(pairs.leaders(Grid(scores), SAFE)) == 1
    assert len(pairs.on_front(list(SURE), Grid(scores).models)) == 2


def test_a_pair_is_turned_with_its_limits(pairs):
    found = pairs.difference("b", SAFE, "none", "dpo")
    assert (found.value, found.low, found.high) == (
        pytest.approx(-0.40),
        pytest.approx(-0.42),
        pytest.approx(-0.39),
    )
    assert found.side == "\N{DOWNWARDS ARROW}"
    assert pairs.difference("b", SAFE, "kto", "dpo").side == ""


def test_the_table_of_methods_says_how_small_a_difference_shows(pairs, scores):
    shown = markdown(methods_table(scores, pairs))
    assert "| KTO | **91.0 ab [81.0, 96.0]** |" in shown
    assert "200 independent items show a difference of 2.8 points" in shown


def test_the_table_of_pairs_has_every_two_methods(pairs, scores):
    table = pairs_table(scores, pairs)
    assert table.rows[:2] == ["none less DPO", "none less KTO"]
    assert len(table.rows) == 6
    assert "40.0\N{DOWNWARDS ARROW} [" in markdown(table)
    assert numbers(table)["Global safe n"].to_list() == [400] * 6


def test_without_comparisons_nothing_is_said(scores):
    assert markdown(pairs_table(scores, Comparisons())).count("\n| ") == 2
    assert Comparisons().leaders(Grid(scores), SAFE) == set()
    pairs_map(scores, Comparisons())


def test_the_map_writes_numbers_where_methods_differ(pairs, scores):
    safe = pairs_map(scores, pairs).axes[0]
    said = {
        (t.get_position()[1], t.get_position()[0]): t.get_text() for t in safe.texts
    }
    assert said[0.5, 1.5] == "-40"
    assert (1.5, 2.5) not in said
    assert len(said) == 8
