"""Judges under stress and beside each other: table, figure, blanks."""

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.intervals import wilson
from safegrid.core.records import STRESS
from safegrid.judge import changes
from safegrid.report.judging import (
    CHANGES,
    PARTS,
    disagreement_table,
    read_stress,
    stress_figure,
    stress_table,
)
from safegrid.report.writing import markdown
from score_tables import cell, frame, row

LOST, GAINED = PARTS["positive"], PARTS["other"]


def flips(judge, change, was, hits, n):
    limits = wilson(hits, n) if n else (None, None)
    known = {"value": hits / n if n else None, "low": limits[0], "high": limits[1]}
    named = {"judge": judge, "positive": "unsafe", "change": change, "was": was}
    reason = None if n else "The change leaves every such answer as it is."
    return {**named, **known, "n": n, "n_unscored": 0, "reason": reason}


@pytest.fixture
def stress():
    rows = [
        flips(judge, change, was, hits * (change != "repeated"), n)
        for judge, hits in (("guard", 3), ("refusal", 20))
        for change in CHANGES
        for was, n in (("all", 100), ("positive", 40), ("other", 60))
    ]
    table = pl.DataFrame(rows, schema=STRESS)
    here = (pl.col("judge") == "guard") & (pl.col("change") == "reworded")
    blank = [flips("guard", "reworded", was, 0, 0) for was in PARTS]
    return pl.concat([table.filter(~here), pl.DataFrame(blank, schema=STRESS)])


def test_every_change_has_a_name_in_print():
    assert list(CHANGES) == list(changes.CHANGES)


def test_each_judge_and_change_is_a_row_with_interval_and_n(stress):
    table = stress_table(stress)
    assert len(table.rows) == 2 * len(CHANGES)
    lost = cell(table, "refusal: capitals", LOST)
    assert (lost.value, lost.n) == (0.5, 40)
    assert lost.low < 0.5 < lost.high
    assert cell(table, "refusal: capitals", GAINED).n == 60
    assert cell(table, "guard: as it is, asked again", "flipped").value == 0
    text = markdown(table)
    assert "guard: synonyms: The change leaves every such answer as it is." in text
    assert "can come from how" in text
    assert "One seed a method" not in text


def test_a_panel_a_judge_has_two_marks_a_change_that_applied(stress):
    figure = stress_figure(stress)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["guard", "refusal"]
    labels = [text.get_text() for text in panels[0].get_yticklabels()]
    assert labels == list(CHANGES.values())
    guard, refusal = ([line.get_xdata()[0] for line in axes.lines] for axes in panels)
    assert len(refusal) == 2 * len(CHANGES)
    assert max(refusal) == pytest.approx(50)
    # What is not known has no mark.
    assert sum(value != value for value in guard) == 2


def test_files_of_judges_are_read_together_and_none_is_said(stress, tmp_path):
    files = []
    for name, rows in stress.partition_by("judge", as_dict=True).items():
        files.append(tmp_path / f"{name[0]}.parquet")
        write_table(files[-1], rows, STRESS, manifest("judge_stress", {}, {}))
    assert len(read_stress(map(str, files))) == len(stress)
    none = read_stress([])
    assert stress_table(none).rows == []
    said = "This study asks no judge again (`stress_answers` is 0)."
    assert said in markdown(stress_table(none))
    assert [text.get_text() for text in stress_figure(none).axes[0].texts] == [said]


def test_two_judges_of_a_kind_stand_beside_each_other_by_slice():
    parts = {"all": 0.1, "categories": 0.3, "adversarial=yes": 0.2, "category=crime": 0}
    rows = [
        {**row("alert", "a / b", "disagreement", share, wilson(0, 50), 50, part)}
        | {"recipe": recipe}
        for recipe in ("none", "dpo", "dpo@3")
        for part, share in parts.items()
    ]
    table = disagreement_table(frame(rows, study="s", base="m"))
    assert table.rows == [
        "a / b, ALERT: all answers",
        "a / b, ALERT: adversarial: yes",
        "a / b, ALERT: crime",
    ]
    assert cell(table, "a / b, ALERT: adversarial: yes", "DPO").value == 0.2
    assert [column.title for column in table.columns] == ["none", "DPO"]
    assert "Neither is the truth." in markdown(table)


def test_a_study_without_two_judges_of_a_kind_says_so(scores):
    table = disagreement_table(scores)
    assert table.rows == []
    said = "No two judges of one kind judge the same benchmark of this study."
    assert said in markdown(table)
