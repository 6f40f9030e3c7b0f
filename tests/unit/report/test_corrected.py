"""Tables of corrected shares: which columns and rows stand, and who was labelled."""

import pytest

from safegrid.report.corrected import corrected_categories_table, corrected_table
from safegrid.report.table import HIGHER, LOWER
from safegrid.report.writing import markdown
from score_tables import frame, row


def shares(metric, values, part="all"):
    """Return rows of a guard's share by recipe; None is a blank."""
    rows = []
    for recipe, value in values.items():
        one = row("alert", "guard", metric, value, (value, value), 90, part)
        if value is None:
            one["reason"] = "Uncorrected: some reason."
        rows.append({**one, "recipe": recipe})
    return rows


@pytest.fixture
def scores():
    """Return safety, of which people labelled answers of nca alone."""
    return [
        *shares("safety", {"none": 0.5, "nca": 0.9}),
        *shares("safety_corrected", {"none": 0.45, "nca": None}),
        *shares("safety_labelled", {"none": None, "nca": 0.85}),
        *shares("safety_pooled", {"none": 0.4, "nca": None}),
    ]


def test_each_way_has_a_column_and_says_whose_answers_are_labelled(scores):
    table = corrected_table(frame(scores, study="s", base="b"))
    assert [column.key.metric for column in table.columns] == [
        "safety",
        "safety_corrected",
        "safety_labelled",
        "safety_pooled",
    ]
    values = [[entry.value for entry in entries] for entries in table.entries]
    assert values == [[0.5, 0.45, None, 0.4], [0.9, None, 0.85, None]]
    assert "(guard): answers of NCA." in table.notes[-1]


def test_only_categories_that_could_be_corrected_have_rows(scores):
    for name, corrected in (("a", 0.4), ("b", None)):
        part = f"category={name}"
        scores += shares("safety", {"none": 0.5, "nca": 0.9}, part)
        scores += shares("safety_corrected", {"none": corrected, "nca": None}, part)
    table = corrected_categories_table(frame(scores, study="s", base="b"))
    assert table.rows == [
        "ALERT safe, a (guard)",
        "ALERT safe, corrected, a (guard)",
    ]
    assert [e.value for e in table.entries[1]] == [0.4, None]
    assert table.entries[1][1].reason == "Uncorrected: some reason."
    told = "ALERT safe, corrected (guard), 2 shares of categories: Uncorrected: some"
    assert table.notes[-1] == f"{told} reason."


@pytest.mark.parametrize(
    ("labelled", "side"),
    [((0.7, 0.9), HIGHER), ((0.1, 0.3), LOWER), ((0.1, 0.45), ""), (None, "")],
)
def test_labels_that_contradict_the_judges_known_errors_are_marked(labelled, side):
    shares = {"safety": (0.2, 0.4), "safety_corrected": (0.4, 0.6)}
    shares |= {"safety_labelled": labelled} if labelled else {}
    rows = [row("alert", "g", m, sum(p) / 2, p, 100) for m, p in shares.items()]
    table = corrected_table(frame(rows, base="b", recipe="dpo"))
    assert [entry.side for entry in table.entries[0]][2:] == [side] * bool(labelled)
    assert [entry.side for entry in table.entries[0]][:2] == ["", ""]
    assert ("errs on these answers otherwise" in markdown(table)) == bool(labelled)
