"""What Safe to Serve prints: every number marked with what is known against it."""

import csv
import itertools
from collections import defaultdict
from math import floor
from pathlib import Path

import polars as pl
import pytest

from made_up_serve import LIKELY
from safegrid.report.published import DEFECTS, read_published
from safegrid.report.safe_to_serve import PAPERS_NAMES, Published

FILE = Path(__file__).parents[3] / "config/published/2412.00074.csv"
GUARD = "Llama Guard safe"
QUESTIONS = ("boolq", "openbookqa", "piqa")
# As the report prints them: Base, then 100, 300, 500, 1000, 1500, 2000 rows.
SIT_CONTROVERSIAL = [0.45, 0.70, 0.85, 0.92, 0.97, 0.97, 1.0]


@pytest.fixture(scope="module")
def published():
    return read_published(FILE)


@pytest.fixture(scope="module")
def printed():
    """The rows as text: a printed 45.0 is not a printed 45."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["value"]]


def defects(row):
    return set((row["defect"] or "").split())


def counts(row):
    """The numbers of items whose share is the printed one, rounded or cut."""
    n, unit = int(row["n"]), row["unit"]
    digits = len(row["value"].partition(".")[2])
    scale = 100 if unit == "percent" else 1
    value = float(row["value"])
    return [
        k
        for k in range(n + 1)
        if round(scale * k / n, digits) == value
        or floor(scale * k / n * 10**digits + 1e-9) / 10**digits == value
    ]


def test_the_impossible_percentages_are_marked_and_no_other(printed):
    shares = [
        row
        for row in printed
        if row["n"] and row["metric"] in (GUARD, "exact choice", "word contained")
    ]
    assert len(shares) > 90
    impossible = [row for row in shares if not counts(row)]
    assert {(r["benchmark"], r["n"], r["value"]) for r in impossible} == {
        ("malicious", "100", "52.5"),
        ("controversial", "40", "44.5"),
        ("cona", "178", "40.01"),
    }
    assert [row for row in printed if "impossible" in defects(row)] == impossible


def test_shares_that_only_cutting_explains_are_marked_as_cut(printed):
    for row in printed:
        if row["metric"] == GUARD and (found := counts(row)):
            scale = 100 if row["unit"] == "percent" else 1
            digits = len(row["value"].partition(".")[2])
            rounded = [round(scale * k / int(row["n"]), digits) for k in found]
            if float(row["value"]) not in rounded:
                assert "truncated" in defects(row), row


def table_rows(printed, places, metrics):
    """A model's numbers in a table, by benchmark and metric."""
    rows = defaultdict(dict)
    for row in printed:
        if row["place"] in places and row["metric"] in metrics:
            rows[row["model"]][row["benchmark"], row["metric"]] = row
    return rows


def test_numbers_on_thousands_of_questions_that_equal_another_models_are_marked(
    printed,
):
    rows = table_rows(printed, ("Table 17", "Tables 20/21/24"), ("exact choice",))
    assert len(rows) == 15
    for (one, first), (two, second) in itertools.combinations(rows.items(), 2):
        for cell, number in first.items():
            if number["value"] == second[cell]["value"]:
                # SIT's numbers are those of the repository's notebooks.
                copies = [r for m, r in ((one, number), (two, second[cell]))]
                later = [r for r in copies if not r["model"].startswith("sit_")]
                assert later, (one, two)
                assert all("copied" in defects(r) for r in later), (one, two, cell)


def test_no_number_is_called_a_copy_that_equals_none(printed):
    helpful = ("median GPT2 reward", "BLEU", "ROUGE-L", "BERTScore")
    questions = table_rows(printed, ("Table 17", "Tables 20/21/24"), ("exact choice",))
    answers = table_rows(printed, ("Table 5", "Table 9", "Table 10"), helpful)
    marked = [row for row in printed if "copied" in defects(row)]
    assert len(marked) == 39
    for row in marked:
        rows = questions if row["metric"] == "exact choice" else answers
        cell = row["benchmark"], row["metric"]
        own = rows[row["model"]]
        others = [other for model, other in rows.items() if model != row["model"]]
        if rows is questions:
            assert row["value"] in [other[cell]["value"] for other in others]
        else:
            values = [r["value"] for r in own.values()]
            assert values in [[r["value"] for r in o.values()] for o in others]


def test_whole_rows_of_answers_that_equal_another_models_are_marked(printed):
    helpful = ("median GPT2 reward", "BLEU", "ROUGE-L", "BERTScore")
    rows = table_rows(printed, ("Table 9", "Table 10"), helpful)
    whole = {
        model: tuple(row["value"] for row in cells.values())
        for model, cells in rows.items()
    }
    equal = {
        model
        for model, values in whole.items()
        if list(whole.values()).count(values) > 1
    }
    assert equal == {"raft_reward", "raft_own", "raft_2", "raft_4"}
    for model, cells in rows.items():
        marked = {"copied" in defects(row) for row in cells.values()}
        assert marked == {model in equal}


def test_rows_of_raft_and_dpo_on_i_cona_have_the_pairing_error(printed):
    for row in printed:
        guard = row["metric"] == GUARD
        other = guard and row["place"] != "Table 16"
        assert ("pairing" in defects(row)) == (other and row["benchmark"] == "cona")
        assert ("greedy_guard_1" in defects(row)) == other
        assert guard <= bool(defects(row) & {"greedy_guard_1", "sampled_guard_2"})


def test_rewards_that_the_notebooks_print_otherwise_are_marked(printed):
    five = [r for r in printed if r["place"] == "Table 5" and "GPT2" in r["metric"]]
    assert len(five) == 7
    assert all("notebook" in defects(row) for row in five)
    for row in five:
        (other,) = [
            r
            for r in printed
            if r["place"] == "repository, notebook"
            and (r["model"], r["metric"]) == (row["model"], row["metric"])
        ]
        assert other["value"] != row["value"]
        assert row["source"].endswith(f"notebook prints {other['value']}")


def test_every_table_of_the_paper_is_there(published):
    numbers = published.filter(pl.col("value").is_not_null())
    sizes = dict(numbers["place"].value_counts().iter_rows())
    assert sizes == {
        "Table 3": 21,
        "Table 4": 21,
        "Table 16": 21,
        "Table 5": 28,
        "Table 17": 21,
        "Table 6": 10,
        "Table 7": 4,
        "Table 8": 4,
        "Table 9": 16,
        "Table 10": 20,
        "Tables 11/12/13/14": 16,
        "Tables 18/19/23": 27,
        "Tables 20/21/24": 36,
        "Table 22": 3,
        "repository, notebook": 8,
        "repository, raw scores": 1,
        "repository, verdicts": 6,
    }
    found = numbers.filter(place="Table 16", benchmark="controversial")
    assert found["value"].to_list() == SIT_CONTROVERSIAL


def test_models_and_metrics_are_those_of_the_study(published):
    named = set(published["model"].drop_nulls())
    assert named - {"own_reward"} <= set(LIKELY)
    metrics = {name for names in PAPERS_NAMES.values() for name in names}
    assert metrics <= set(published["metric"])


def test_every_defect_is_one_of_some_paper_and_every_one_is_explained():
    papers = [read_published(path) for path in FILE.parent.glob("*.csv")]
    told = [text for paper in papers for text in paper["defect"].drop_nulls()]
    assert {name for text in told for name in text.split()} == set(DEFECTS)


def test_the_papers_base_is_another_one_beside_sit_than_beside_raft(published):
    found = [
        Published(published, recipes).entry("it", "cona", "safety")
        for recipes in ({"it", "sit_100"}, {"it", "raft_1"}, {"it", "dpo"})
    ]
    assert [entry.value for entry in found] == [41, 39.9, 39.9]
    assert "sampled_guard_2" in found[0].defects
    assert {"greedy_guard_1", "pairing"} <= set(found[1].defects)


def test_a_published_share_has_the_interval_of_its_items_unless_it_is_impossible(
    published,
):
    theirs = Published(published, {"dpo", "raft_1"})
    certain = theirs.entry("dpo", "controversial", "safety")
    assert (certain.value, certain.n) == (100, 40)
    assert certain.low == pytest.approx(91.24, abs=0.01)
    impossible = theirs.entry("raft_1", "malicious", "safety")
    assert (impossible.value, impossible.low, impossible.n) == (52.5, None, 100)
    score = Published(published, {"sit_100"}).entry("it", "cona", "reward_median")
    assert (score.value, score.low) == (-3.65, None)


def test_what_the_paper_trained_and_did_not_print_has_its_reason(published):
    theirs = Published(published, {"dpo", "dpo_1_2", "raft_5", "raft_4", "other"})
    half = theirs.entry("dpo_1_2", "cona", "safety")
    assert half.value is None
    assert half.reason.endswith("no result of it was published.")
    assert "four" in theirs.entry("raft_5", "cona", "safety").reason
    assert theirs.entry("other", "cona", "safety").reason is None
