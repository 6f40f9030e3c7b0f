"""What Safe to Serve prints: every number marked with what is known against it."""

import csv
from collections import defaultdict
from math import floor
from pathlib import Path

import polars as pl
import pytest

from made_up_serve import LIKELY
from safegrid.report.published import DEFECTS
from safegrid.report.safe_to_serve import PAPERS_NAMES, Published

FILE = Path(__file__).parents[3] / "config/published/2412.00074.csv"
GUARD = "Llama Guard safe"
HELPFUL = ("median GPT2 reward", "BLEU", "ROUGE-L", "BERTScore")
# As the report prints them: Base, then 100, 300, 500, 1000, 1500, 2000 rows.
SIT_CONTROVERSIAL = [0.45, 0.70, 0.85, 0.92, 0.97, 0.97, 1.0]


@pytest.fixture(scope="module")
def published(papers):
    return papers["2412.00074"]


@pytest.fixture(scope="module")
def printed():
    """The rows as text: a printed 45.0 is not a printed 45."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["value"]]


def defects(row):
    return set((row["defect"] or "").split())


def counts(row, digits, scale):
    """The numbers of items whose share is the printed one, rounded or cut."""
    n, value = int(row["n"]), float(row["value"])
    cut = 10**digits
    return [
        k
        for k in range(n + 1)
        if round(scale * k / n, digits) == value
        or floor(scale * k / n * cut + 1e-9) / cut == value
    ]


def test_shares_that_are_impossible_or_cut_are_marked_and_no_other(printed):
    impossible, shares = set(), (GUARD, "exact choice", "word contained")
    for row in (row for row in printed if row["n"] and row["metric"] in shares):
        digits = len(row["value"].partition(".")[2])
        scale = 100 if row["unit"] == "percent" else 1
        found = counts(row, digits, scale)
        assert ("impossible" in defects(row)) == (not found)
        if not found:
            impossible.add((row["benchmark"], row["n"], row["value"]))
        elif row["metric"] == GUARD:
            rounded = [round(scale * k / int(row["n"]), digits) for k in found]
            known = float(row["value"]) in rounded or "truncated" in defects(row)
            assert known, row
    found = {" ".join(row) for row in impossible}
    assert found == {"malicious 100 52.5", "controversial 40 44.5", "cona 178 40.01"}


def table_rows(printed, places, metrics):
    """A model's numbers in a table, by benchmark and metric."""
    rows = defaultdict(dict)
    for row in printed:
        if row["place"] in places and row["metric"] in metrics:
            rows[row["model"]][row["benchmark"], row["metric"]] = row
    return rows


def test_numbers_that_equal_another_models_are_marked_as_copies_and_no_other(printed):
    # On thousands of questions one equal number is enough; SIT's are the notebooks'.
    questions = table_rows(printed, ("Table 17", "Tables 20/21/24"), ("exact choice",))
    assert len(questions) == 15
    marked = 0
    for model, cells in questions.items():
        others = [own for name, own in questions.items() if name != model]
        for place, row in cells.items():
            alike = row["value"] in [other[place]["value"] for other in others]
            copy = "copied" in defects(row)
            marked += copy
            assert copy <= alike
            earlier = [n for n, o in questions.items() if o[place] is not row]
            same = [n for n in earlier if questions[n][place]["value"] == row["value"]]
            if same and not model.startswith("sit_"):
                assert copy, (model, place)
    # Of answers only a whole row that equals another one.
    answers = table_rows(printed, ("Table 9", "Table 10"), HELPFUL)
    whole = {m: [row["value"] for row in own.values()] for m, own in answers.items()}
    equal = {m for m, own in whole.items() if list(whole.values()).count(own) > 1}
    assert equal == {"raft_reward", "raft_own", "raft_2", "raft_4"}
    for model, cells in answers.items():
        found = {"copied" in defects(row) for row in cells.values()}
        assert found == {model in equal}
        marked += len(cells) * (model in equal)
    assert marked == len([row for row in printed if "copied" in defects(row)]) == 39


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
    books = [row for row in printed if row["place"] == "repository, notebook"]
    for row in five:
        what = (row["model"], row["metric"])
        (other,) = [r for r in books if (r["model"], r["metric"]) == what]
        assert "notebook" in defects(row)
        assert other["value"] != row["value"]
        assert row["source"].endswith(f"notebook prints {other['value']}")


def test_every_table_of_the_paper_is_there(published):
    numbers = published.filter(pl.col("value").is_not_null())
    places = "Table 3; Table 4; Table 5; Table 6; Table 7; Table 8; Table 9; Table 10; "
    places += "Tables 11/12/13/14; Table 16; Table 17; Tables 18/19/23; "
    places += "Tables 20/21/24; Table 22; "
    places += "repository, notebook; repository, raw scores; repository, verdicts"
    assert set(numbers["place"]) == set(places.split("; "))
    assert len(numbers) == 263
    found = numbers.filter(place="Table 16", benchmark="controversial")
    assert found["value"].to_list() == SIT_CONTROVERSIAL


def test_models_metrics_and_defects_are_those_that_are_known(published, papers):
    named = set(published["model"].drop_nulls())
    assert named - {"own_reward"} <= set(LIKELY)
    metrics = {name for names in PAPERS_NAMES.values() for name in names}
    assert metrics <= set(published["metric"])
    told = [text for paper in papers.values() for text in paper["defect"].drop_nulls()]
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
