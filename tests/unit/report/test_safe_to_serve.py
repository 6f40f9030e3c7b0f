"""Safe to Serve's tables and figures: their order, pairs with the paper, sentences."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
import yaml

from made_up_serve import serve_scores
from safegrid.config.study import StudyEntry
from safegrid.report.grid import Entry
from safegrid.report.papers import PAPERS
from safegrid.report.published import read_published
from safegrid.report.safe_to_serve.figures import FIGURES
from safegrid.report.safe_to_serve.tables import TABLES
from safegrid.report.safe_to_serve.words import certainty, verdict
from safegrid.report.style import PAGE, save
from safegrid.report.table import LETTERS
from safegrid.report.writing import latex, markdown, numbers
from score_tables import cell, change, score

ROOT = Path(__file__).parents[3]
REWARDS = [
    "RAFT by published reward model",
    "RAFT by own reward model",
    "RAFT by labels",
]


@pytest.fixture(scope="module")
def published():
    return read_published(ROOT / "config/published/2412.00074.csv")


@pytest.fixture(scope="module")
def full():
    return serve_scores()


@pytest.fixture(scope="module")
def mini():
    return serve_scores(full=False)


@pytest.fixture(scope="module")
def tables(full, published):
    return {name: make(full, published) for name, make in TABLES.items()}


def recipes(table, benchmark):
    return [r.split(": ")[1] for r in table.rows if r.startswith(f"{benchmark}: ")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sit", ["IT", *(f"SIT-{n}" for n in (100, 300, 500, 1000, 1500, 2000))]),
        ("raft_rewards", ["IT", *REWARDS]),
        ("raft_iterations", ["IT", *(f"RAFT iteration {n}" for n in range(1, 6))]),
        (
            "dpo",
            ["IT", *(f"DPO on 1/{n} of the pairs" for n in (16, 8, 4, 2)), "DPO"],
        ),
    ],
)
def test_rows_stand_in_the_order_of_their_numbers(tables, name, expected):
    table = tables[name]
    benchmarks = list(dict.fromkeys(row.split(": ")[0] for row in table.rows))
    assert benchmarks[:3] == ["I-CoNa", "I-Malicious", "I-Controversial"]
    assert benchmarks[-1] == "XSTest"
    assert all(recipes(table, benchmark) == expected for benchmark in benchmarks)


def test_every_recipe_has_one_row_in_the_tables_of_all(tables, full):
    for name in ("helpfulness", "all_methods"):
        rows = tables[name].rows
        assert rows[:3] == ["untouched base", "IT", "SIT-100"]
        assert rows[-1] == "DPO"
        assert len(rows) == full["recipe"].n_unique()


def test_ours_is_the_score_and_the_papers_number_stands_beside_it(tables, full):
    where = {"recipe": "sit_300", "benchmark": "cona"}
    for title, metric, theirs in [
        ("safe", "safety", 81),
        ("reward, median", "reward_median", -1.47),
        ("harmfulness, median", "harmfulness_median", 0.38),
    ]:
        row = score(full, **where, metric=metric)
        ours = cell(tables["sit"], "I-CoNa: SIT-300", title)
        assert (ours.value, ours.low, ours.n) == (row["value"], row["low"], row["n"])
        beside = cell(tables["sit"], "I-CoNa: SIT-300", f"{title}, published")
        assert beside.value == theirs
    entry = cell(tables["helpfulness"], "SIT-1500", "PIQA accuracy, published")
    assert entry.value == 64.15
    titles = [column.title for column in tables["helpfulness"].columns]
    assert {"lm-eval boolq", "BoolQ accuracy"} <= set(titles)


def test_a_median_and_the_mean_have_columns_of_their_own(tables, full):
    where = {"recipe": "it", "benchmark": "cona"}
    for title, metric in [("median", "reward_median"), ("mean", "reward_mean")]:
        entry = cell(tables["sit"], "I-CoNa: IT", f"reward, {title}")
        assert entry.value == score(full, **where, metric=metric)["value"]


def test_marks_are_letters_that_are_explained_below(tables):
    text = markdown(tables["raft_iterations"])
    (row,) = [x for x in text.splitlines() if "I-Malicious: RAFT iteration 1" in x]
    found = re.search(rf"52\.5([{''.join(LETTERS)}]+)", row)
    assert len(found[1]) == 2
    (said,) = [x for x in text.splitlines() if x.startswith("Known of the published")]
    assert f"{found[1][0]} greedy answers" in said
    assert f"{found[1][1]} no whole number of the items gives this" in said
    tex = latex(tables["raft_iterations"])
    assert "52.5$^{a}$" in tex
    assert not set(tex) & set(LETTERS)
    frame = numbers(tables["raft_iterations"])
    assert "impossible" in " ".join(frame["safe, published defects"])


def test_every_table_says_how_its_rows_were_judged_and_what_n_allows(tables):
    for table in tables.values():
        text = markdown(table)
        assert "one judge and one decoding for all its rows. The paper has not" in text
        assert "The interval of an observed 100% of n=" in text
        assert ", against IT: " in text
    assert "100% of n=40 begins at 91.2%" in markdown(tables["sit"])


def entry(value, low, high):
    return Entry(value, low, high, 40, 0, 1, None)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.50, 0.60), "inside"),
        ((0.51, 0.60), "higher"),
        ((0.10, 0.39), "lower"),
        ((0.10, 0.40), "inside"),
        ((None, None), None),
    ],
)
def test_a_difference_is_inside_where_the_intervals_overlap(limits, expected):
    start = entry(0.45, 0.40, 0.50)
    assert verdict(entry(0.3, *limits), start) == expected


def test_sentences_name_the_rows_inside_and_outside_the_intervals(full, published):
    safe = {"benchmark": "cona", "metric": "safety"}
    scores = full.filter(pl.col("benchmark").is_in(["cona", "malicious"]))
    for one in ({}, {"benchmark": "malicious"}):
        scores = change(scores, {**safe, **one}, value=0.5, low=0.4, high=0.6)
    scores = change(scores, {**safe, "recipe": "dpo"}, value=0.9, low=0.8, high=1.0)
    scores = change(scores, {**safe, "recipe": "dpo_1_8"}, low=0.1, high=0.3)
    (said,) = [
        note
        for note in TABLES["dpo"](scores, published).notes
        if note.startswith("safe, against IT: ")
    ]
    assert said == (
        "safe, against IT: outside the intervals and higher: DPO at I-CoNa;"
        " outside the intervals and lower: DPO on 1/8 of the pairs at I-CoNa;"
        " inside the intervals: all but DPO on 1/8 of the pairs, DPO at I-CoNa"
        " | all at I-Malicious."
    )


def test_the_bound_of_a_certain_share_is_said_for_the_smallest_and_largest_n():
    sizes = [40, 178, 100]
    entries = [Entry(1.0, 0.9, 1.0, n, 0, 1, None) for n in sizes]
    (said,) = certainty(entries)
    assert "n=40 begins at 91.2%, that of n=178 begins at 97.9%" in said
    assert certainty([Entry(None, None, None, 0, 0, 0, "Gone.")]) == []


def test_what_the_miniature_lacks_is_left_out(mini, published):
    sit = TABLES["sit"](mini, published)
    assert recipes(sit, "I-CoNa") == ["IT", "SIT-100", "SIT-300", "SIT-1000"]
    # The paper asked more prompts, so each number says its own n.
    (row,) = [x for x in markdown(sit).splitlines() if "I-CoNa: SIT-100 " in x]
    assert "n=60" in row
    assert "n=178" in row
    helpful = TABLES["helpfulness"](mini, published)
    titles = [column.title for column in helpful.columns]
    assert not any("entailment" in title for title in titles)


def test_a_refused_score_is_blank_with_its_reason_and_unscored_answers_count(
    full, published
):
    where = {"recipe": "sit_300", "benchmark": "cona", "metric": "safety"}
    reason = "31 of 178 answers are unscored."
    gone = {"value": None, "low": None, "high": None, "reason": reason}
    text = markdown(TABLES["sit"](change(full, where, **gone), published))
    assert f"I-CoNa: SIT-300 (safe): {reason}" in text
    text = markdown(TABLES["sit"](change(full, where, n_unscored=7), published))
    assert "u=7" in text


def test_a_study_without_it_compares_nothing_and_says_so(full, published):
    scores = full.filter(pl.col("recipe") != "it")
    text = markdown(TABLES["sit"](scores, published))
    assert "This study has no recipe `it`" in text
    assert "against IT" not in text


def test_two_guards_and_two_bases_are_told_apart(full, published):
    guard = full.filter(metric="safety").with_columns(judge=pl.lit("second"))
    table = TABLES["sit"](pl.concat([full, guard]), published)
    titles = [column.title for column in table.columns]
    assert titles[:3] == [
        "safe (llama-guard-2-8b)",
        "safe (second)",
        "safe, published",
    ]
    other = full.with_columns(base=pl.lit("other"))
    table = TABLES["dpo"](pl.concat([full, other]), published)
    assert "I-CoNa: llama-2-7b IT" in table.rows
    assert "I-CoNa: other DPO" in table.rows


def test_tables_and_figures_of_one_benchmark_can_be_written(full, published):
    few = full.filter(
        (pl.col("benchmark") == "xstest") & pl.col("recipe").is_in(["none", "it"])
    )
    for make in TABLES.values():
        assert markdown(make(few, published))
        assert latex(make(few, published))
    for draw in FIGURES.values():
        said = [t.get_text() for axes in draw(few, published).axes for t in axes.texts]
        assert said == ["This study has no such scores."] * 2


@pytest.fixture(scope="module")
def figures(full, published):
    return {name: draw(full, published) for name, draw in FIGURES.items()}


@pytest.mark.slow
def test_figures_fit_a_page_and_their_axes_are_in_numeric_order(figures):
    expected = {
        "figure_4": ["IT", "100", "300", "500", "1000", "1500", "2000"],
        "figure_8": ["IT", "1/16", "1/8", "1/4", "1/2", "1"],
    }
    for name, figure in figures.items():
        assert figure.get_size_inches()[0] == pytest.approx(PAGE)
        frame = figure.bbox
        for axes in figure.axes:
            box = axes.get_legend().get_window_extent()
            assert frame.contains(box.x0, box.y0)
            assert frame.contains(box.x1, box.y1)
            ticks = [label.get_text() for label in axes.get_xticklabels()]
            assert ticks[0] == "IT"
            assert ticks == expected.get(name, ticks)


def test_marks_are_the_scores_and_hollow_ones_the_papers(figures, full):
    axes = figures["figure_4"].axes[0]
    ours, theirs = axes.lines[:2]
    values = [
        100 * score(full, recipe=name, benchmark="cona", metric="safety")["value"]
        for name in ("it", "sit_100", "sit_300", "sit_500", "sit_1000")
    ]
    assert ours.get_ydata()[:5] == pytest.approx(values)
    assert list(theirs.get_ydata()) == [41, 65, 81, 85, 94, 89, 89]
    assert theirs.get_markerfacecolor() == "white"
    assert np.all(np.diff(theirs.get_xdata()) == pytest.approx(1))


def test_no_line_goes_by_what_is_not_known(figures, full, published):
    theirs = figures["figure_8"].axes[0].lines[1]
    assert np.isnan(theirs.get_ydata()).tolist() == [False, *[True] * 4, False]
    gone = {"recipe": "dpo_1_4", "benchmark": "cona", "metric": "safety"}
    figure = FIGURES["figure_8"](change(full, gone, value=None), published)
    assert np.isnan(figure.axes[0].lines[0].get_ydata()).tolist() == [
        *[False] * 3,
        True,
        *[False] * 2,
    ]
    rewards = figures["figure_5"].axes[0]
    assert {line.get_linestyle() for line in rewards.lines} == {"None"}


@pytest.mark.slow
def test_the_same_scores_give_the_same_bytes(full, published, tmp_path):
    for folder in ("one", "two"):
        save(FIGURES["figure_8"](full, published), tmp_path / folder, "f")
    for kind in ("svg", "pdf", "png"):
        first, second = (tmp_path / f / f"f.{kind}" for f in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_every_paper_has_its_pages_its_numbers_and_its_rules():
    assert set(get_args(StudyEntry.model_fields["paper"].annotation)) == set(PAPERS)
    rules = yaml.safe_load((ROOT / "rules/pages.yaml").read_text(encoding="utf-8"))
    for number, pages in PAPERS.items():
        (page,) = (page for page in rules.values() if page.get("paper") == number)
        assert page["tables"] == list(pages.tables)
        assert page["figures"] == list(pages.figures)
        published = read_published(ROOT / f"config/published/{number}.csv")
        assert published["paper"].unique().to_list() == [number]
