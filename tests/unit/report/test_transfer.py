"""Transfer: changes by group, contrasts in sentences, a figure, blanks."""

import pytest

from safegrid.report.pairs import Comparisons
from safegrid.report.table import LOWER
from safegrid.report.transfer import transfer_figure, transfer_table
from safegrid.report.writing import markdown
from score_tables import cell, comparisons, frame, row, titles

SUITE = {"benchmark": "suite", "judge": "lm-eval", "metric": "capability"}
CHANGES = {
    # change, its holm: in math, in facts, in what has no group; the contrast
    "dpo": [(-0.30, 0.01), (-0.10, 0.01), (-0.02, 1.0), (-0.24, 0.02)],
    "nca": [(-0.04, 0.60), (0.01, 1.00), (0.00, 1.0), (-0.045, 0.3)],
}
SLICES = ["group=math", "group=facts", "group=other"]
NO_MATH = "No task of this suite is of the group `math`."


@pytest.fixture
def scores():
    rows = [
        {**row("suite", "lm-eval", "capability", 0.5, (0.4, 0.6), 100), "recipe": name}
        for name in ("none", *CHANGES)
    ]
    return frame(rows, study="mini", base="b")


@pytest.fixture
def compared(tmp_path):
    """Return a function that writes comparisons, with changes to contrasts."""

    def write(**contrast):
        rows = []
        for part, task in zip(SLICES, ("sums", "capitals", "riddles"), strict=True):
            rows.append({"kind": "group", "slice": part, "first": task, "n": 100})
        for name, values in CHANGES.items():
            for part, (value, holm) in zip(SLICES, values, strict=False):
                pair = {"kind": "pair", "slice": part, "first": "none", "second": name}
                # The base comes first, so that rows hold the reverse of a change.
                rows.append(pair | limits(-value) | {"holm": holm, "n": 100})
            value, holm = values[-1]
            own = {"kind": "contrast", "slice": "group=math", "first": name}
            own |= {"second": "none", "p": holm, "holm": holm, "n": 300, "seeds": 2}
            rows.append(own | limits(value) | contrast)
        return comparisons(tmp_path, rows, **SUITE, base="b")

    return write


def limits(value):
    return {"value": value, "low": value - 0.03, "high": value + 0.05}


def test_changes_are_of_methods_and_math_stands_first(scores, compared):
    table = transfer_table(scores, compared())
    assert titles(table) == ["math", "facts", "other", "math less the others"]
    assert table.rows == ["DPO", "NCA"]
    entry = cell(table, "DPO", "math")
    assert (entry.value, entry.n, entry.side) == (-0.30, 100, LOWER)
    assert (entry.low, entry.high) == pytest.approx((-0.35, -0.27))
    assert cell(table, "NCA", "math").side == ""
    assert cell(table, "DPO", "math less the others").low == pytest.approx(-0.27)


def test_sentences_say_where_math_loses_more_and_what_has_no_group(scores, compared):
    text = markdown(transfer_table(scores, compared()))
    said = "loses more than the other groups, or gains less: DPO \N{MINUS SIGN}24.0"
    assert f"{said} [\N{MINUS SIGN}27.0, \N{MINUS SIGN}19.0], p = 0.02." in text
    assert "does not differ from the other groups beyond chance: NCA." in text
    assert "Groups of suite: math: sums (100 items); facts: capitals" in text
    assert "other: riddles (100 items), which no pattern of `task_groups` fits" in text
    assert "loses less" not in text
    assert "Several seeds (DPO, NCA)" in text
    # Of a difference nobody counts what is unscored.
    assert "Every answer was scored" not in text


def test_a_suite_without_math_has_a_reason_in_place_of_the_contrast(scores, compared):
    none = dict.fromkeys(("value", "low", "high", "p", "holm"))
    pairs = compared(**none, n=0, reason=NO_MATH)
    text = markdown(transfer_table(scores, pairs))
    assert f"All rows (math less the others): {NO_MATH}" in text
    assert "Mathematics" not in text
    last = transfer_figure(scores, pairs).axes[-1]
    assert [t.get_text().replace("\n", " ") for t in last.texts] == [NO_MATH]


def test_a_contrast_without_a_test_has_its_reason_and_no_verdict(scores, compared):
    """Its value is known: no item changed."""
    none = dict.fromkeys(("low", "high", "p", "holm"))
    pairs = compared(**none, value=0.0, reason="No spread.")
    text = markdown(transfer_table(scores, pairs))
    assert "All rows (math less the others): No spread." in text
    assert "Mathematics" not in text


def test_the_figure_has_a_panel_a_group_with_full_marks_beyond_chance(scores, compared):
    math, *_, contrast = transfer_figure(scores, compared()).axes
    assert [t.get_text() for t in math.get_yticklabels()] == ["DPO", "NCA"]
    for axes, values in ((math, [-30, -4]), (contrast, [-24, -4.5])):
        dots = [line for line in axes.lines if line.get_marker() != "None"]
        assert [float(d.get_xdata()[0]) for d in dots] == pytest.approx(values)
        faces = [d.get_markerfacecolor() == "white" for d in dots]
        assert faces == [False, True]


def test_a_study_without_tasks_says_so(scores):
    assert "no tasks of lm-eval" in markdown(transfer_table(scores, Comparisons()))
    (axes,) = transfer_figure(scores, Comparisons()).axes
    assert "no tasks of lm-eval" in axes.texts[0].get_text()
