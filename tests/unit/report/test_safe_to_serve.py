"""Safe to Serve's tables and figures: their order, pairs with the paper, marks."""

import re

import numpy as np
import polars as pl
import pytest

from made_up_serve import serve_scores
from safegrid.report.safe_to_serve import TABLES
from safegrid.report.serve_figures import FIGURES
from safegrid.report.style import PAGE
from safegrid.report.table import HIGHER, LOWER
from safegrid.report.writing import LETTERS, latex, markdown, numbers
from score_tables import cell, change, comparisons, score, titles

CONA = {"benchmark": "cona", "judge": "llama-guard-2-8b", "slice": "all"}
CONA |= {"base": "llama-2-7b"}
REWARDS = ("published reward model", "own reward model", "labels")


@pytest.fixture(scope="module")
def published(papers):
    return papers["2412.00074"]


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
        ("sit", [f"SIT-{n}" for n in (100, 300, 500, 1000, 1500, 2000)]),
        ("raft_rewards", [f"RAFT by {reward}" for reward in REWARDS]),
        ("raft_iterations", [f"RAFT iteration {n}" for n in range(1, 6)]),
        ("dpo", [*(f"DPO on 1/{n} of the pairs" for n in (16, 8, 4, 2)), "DPO"]),
    ],
)
def test_rows_stand_in_the_order_of_their_numbers(tables, name, expected):
    table = tables[name]
    benchmarks = list(dict.fromkeys(row.split(": ")[0] for row in table.rows))
    assert benchmarks[:3] == ["I-CoNa", "I-Malicious", "I-Controversial"]
    assert benchmarks[-1] == "XSTest"
    for benchmark in benchmarks:
        assert recipes(table, benchmark) == ["IT", *expected]


def test_every_recipe_has_one_row_in_the_tables_of_all(tables, full):
    for name in ("helpfulness", "all_methods"):
        rows = tables[name].rows
        assert rows[:3] == ["untouched base", "IT", "SIT-100"]
        assert rows[-1] == "DPO"
        assert len(rows) == full["recipe"].n_unique()


def test_ours_is_the_score_and_the_papers_number_stands_beside_it(tables, full):
    for title, metric, theirs in [
        ("safe", "safety", 81),
        ("reward, median", "reward_median", -1.47),
        ("reward, mean", "reward_mean", None),
        ("harmfulness, median", "harmfulness_median", 0.38),
    ]:
        row = score(full, recipe="sit_300", benchmark="cona", metric=metric)
        ours = cell(tables["sit"], "I-CoNa: SIT-300", title)
        assert (ours.value, ours.low, ours.n) == (row["value"], row["low"], row["n"])
        if theirs is not None:
            beside = cell(tables["sit"], "I-CoNa: SIT-300", f"{title}, published")
            assert beside.value == theirs
    entry = cell(tables["helpfulness"], "SIT-1500", "PIQA accuracy, published")
    assert entry.value == 64.15
    assert {"lm-eval boolq", "BoolQ accuracy"} <= set(titles(tables["helpfulness"]))


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
        assert "An observed 0% or 100% is not certain" in text
        assert "higher or lower than IT beyond chance, by a paired test" in text


@pytest.mark.parametrize(
    ("value", "holm", "expected"),
    [(0.05, 0.01, HIGHER), (-0.05, 0.01, LOWER), (0.05, 0.2, ""), (0.05, None, "")],
)
def test_a_row_is_marked_where_it_differs_from_it_by_a_paired_test(
    full, published, tmp_path, value, holm, expected
):
    row = {"metric": "safety", "first": "it", "second": "dpo", "holm": holm}
    row |= {"value": -value, "low": -value - 0.1, "high": -value + 0.1}
    pairs = comparisons(tmp_path, [row], **CONA)
    table = TABLES["dpo"](full, published, pairs)
    assert cell(table, "I-CoNa: DPO", "safe").side == expected
    assert cell(table, "I-CoNa: IT", "safe").side == ""
    assert cell(table, "I-Malicious: DPO", "safe").side == ""
    assert cell(table, "I-CoNa: DPO", "safe, published").side == ""


def test_those_that_do_not_differ_from_the_best_share_the_bold(
    full, published, tmp_path
):
    """IT leads PIQA; SIT-100 does not differ from it, the base does."""
    piqa = {"benchmark": "piqa", "metric": "accuracy"}
    for recipe, value in (("it", 0.9), ("sit_100", 0.8), ("none", 0.7)):
        full = change(full, {**piqa, "recipe": recipe}, value=value)
    few = full.filter(pl.col("recipe").is_in(["none", "it", "sit_100"]))
    rows = [
        {"first": "none", "second": "it", "value": -0.2, "holm": 0.01},
        {"first": "none", "second": "sit_100", "value": -0.1, "holm": 0.01},
        {"first": "it", "second": "sit_100", "value": 0.1, "holm": 0.2},
    ]
    judge = few.filter(**piqa)["judge"][0]
    about = {**piqa, "judge": judge, "slice": "all", "base": "llama-2-7b"}
    table = TABLES["helpfulness"](few, published, comparisons(tmp_path, rows, **about))
    column = titles(table).index("PIQA accuracy")
    assert {table.rows[row] for row in table.best(column)} == {"IT", "SIT-100"}
    assert table.best(titles(table).index("BoolQ accuracy")) == set()


def test_what_the_miniature_lacks_is_left_out(mini, published):
    sit = TABLES["sit"](mini, published)
    assert recipes(sit, "I-CoNa") == ["IT", "SIT-100", "SIT-300", "SIT-1000"]
    # The paper asked more prompts, so each number says its own n.
    (row,) = [x for x in markdown(sit).splitlines() if "I-CoNa: SIT-100 " in x]
    assert "n=60" in row
    assert "n=178" in row
    helpful = titles(TABLES["helpfulness"](mini, published))
    assert not any("entailment" in title for title in helpful)


def test_a_study_without_it_compares_nothing_and_says_so(full, published):
    table = TABLES["sit"](full.filter(pl.col("recipe") != "it"), published)
    assert "This study has no recipe `it`" in markdown(table)
    assert not any(entry.side for row in table.entries for entry in row)


def test_two_guards_and_two_bases_are_told_apart(full, published):
    guard = full.filter(metric="safety").with_columns(judge=pl.lit("second"))
    table = TABLES["sit"](pl.concat([full, guard]), published)
    guards = ["safe (llama-guard-2-8b)", "safe (second)", "safe, published"]
    assert titles(table)[:3] == guards
    other = full.with_columns(base=pl.lit("other"))
    table = TABLES["dpo"](pl.concat([full, other]), published)
    assert "I-CoNa: llama-2-7b IT" in table.rows
    assert "I-CoNa: other DPO" in table.rows


def test_tables_and_figures_of_one_benchmark_can_be_written(full, published):
    few = full.filter(pl.col("recipe").is_in(["none", "it"]), benchmark="xstest")
    for make in TABLES.values():
        assert markdown(make(few, published))
        assert latex(make(few, published))
    axes = FIGURES["figure_8"](few, published).axes
    said = [text.get_text() for panel in axes for text in panel.texts]
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
        for axes in figure.axes:
            box = axes.get_legend().get_window_extent()
            assert figure.bbox.contains(box.x0, box.y0)
            assert figure.bbox.contains(box.x1, box.y1)
            ticks = [label.get_text() for label in axes.get_xticklabels()]
            assert ticks[0] == "IT"
            assert ticks == expected.get(name, ticks)


def test_marks_are_the_scores_and_hollow_ones_the_papers(figures, full):
    ours, theirs = figures["figure_4"].axes[0].lines[:2]
    values = [
        100 * score(full, recipe=name, benchmark="cona", metric="safety")["value"]
        for name in ("it", "sit_100", "sit_300", "sit_500", "sit_1000")
    ]
    assert ours.get_ydata()[:5] == pytest.approx(values)
    assert list(theirs.get_ydata()) == [41, 65, 81, 85, 94, 89, 89]
    assert theirs.get_markerfacecolor() == "white"
    assert np.all(np.diff(theirs.get_xdata()) == pytest.approx(1))


def test_no_line_goes_by_what_is_not_known(figures, full, published):
    def blanks(line):
        return np.flatnonzero(np.isnan(line.get_ydata())).tolist()

    assert blanks(figures["figure_8"].axes[0].lines[1]) == [1, 2, 3, 4]
    gone = {"recipe": "dpo_1_4", "benchmark": "cona", "metric": "safety"}
    figure = FIGURES["figure_8"](change(full, gone, value=None), published)
    assert blanks(figure.axes[0].lines[0]) == [3]
    rewards = figures["figure_5"].axes[0]
    assert {line.get_linestyle() for line in rewards.lines} == {"None"}
