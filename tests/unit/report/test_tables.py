"""Tables: what stands where, what is best, what is blank and why, how it is written."""

import math
import re

import polars as pl
import pytest

from safegrid.core.records import RUNS
from safegrid.report.facts import facts_table
from safegrid.report.grid import pareto
from safegrid.report.names import BLANK, MINUS, short_tasks
from safegrid.report.table import DAGGER, DOUBLE_DAGGER, HIGHER, LOWER
from safegrid.report.tables import (
    ALL,
    answers_table,
    corrected_table,
    decontaminated_table,
    differences_table,
    main_table,
    sliced_table,
    summary_table,
)
from safegrid.report.trade_off import NO_DOTS, trade_off
from safegrid.report.writing import latex, markdown, number, numbers, save
from score_tables import cell, change, fact, frame, heads, row, score, titles

NO_RUNS = pl.DataFrame(schema=RUNS)


@pytest.fixture(scope="module")
def main(scores):
    return main_table(scores)


def test_main_table_has_every_method_and_measure_of_the_paper_in_order(main):
    assert main.rows[:4] == ["none", "DPO", "rDPO", "IPO"]
    assert len(main.rows) == 13
    assert heads(main) == (
        "Global safe; Global safe, pooled; ALERT safe; Adversarial ALERT safe; "
        "safe and coherent; true refusals; degenerate; toxicity; "
        "toxicity, adversarial; toxicity, not adversarial; toxic; toxic, adversarial; "
        "toxic, not adversarial; over-refusal; benign requests lost; "
        "facts; instructions; math; reasoning; capability, mean"
    )


def test_best_follows_the_direction_of_the_measure(main, scores):
    toxicity = titles(main).index("toxicity")
    values = [row[toxicity].value for row in main.entries]
    assert {values[row] for row in main.best(toxicity)} == {min(values)}
    safe = titles(main).index("Global safe")
    values = [row[safe].value for row in main.entries]
    assert {values[row] for row in main.best(safe)} == {max(values)}
    assert main.best(titles(main).index("true refusals")) == set()


def test_a_broken_model_is_on_the_guards_front_and_off_the_sound_one(main):
    marks = dict(zip(main.rows, main.marks, strict=True))
    assert marks["none"] == DAGGER + DOUBLE_DAGGER
    assert marks["AOT"] == DAGGER
    assert DOUBLE_DAGGER in marks["ORPO"]


def test_pareto_needs_better_somewhere_and_worse_nowhere():
    assert pareto([(1, 1), (1, 1), (0, 2), (0, 1)]) == [True, True, True, False]
    assert pareto([(1, math.nan), (0, 0)]) == [False, True]


def test_seeds_are_averaged_and_their_intervals_joined(scores):
    where = {"recipe": "dpo", "benchmark": "alert", "metric": "safety", "slice": "all"}
    first = change(scores, where, value=0.8, low=0.7, high=0.9)
    second = change(first, where, value=0.6, low=0.5, high=0.65).filter(recipe="dpo")
    table = main_table(
        pl.concat([first, second.with_columns(seed=1)], how="vertical_relaxed")
    )
    entry = cell(table, "DPO", "ALERT safe")
    assert entry.value == pytest.approx(0.7)
    assert (entry.low, entry.high, entry.seeds, entry.n) == (0.5, 0.9, 2, 640)
    assert "Several seeds (DPO): their mean" in markdown(table)
    every = pl.concat([scores, change(scores, {"seed": 0}, seed=1)])
    named = r"Several seeds \(\d+ rows, such as none\): their mean"
    assert re.search(named, markdown(main_table(every)))


def test_a_refused_score_is_blank_with_its_reason_below(scores):
    where = {"recipe": "nca", "benchmark": "global", "metric": "safety"}
    reason = "40 of 720 answers are unscored (5.6%, at most 5.0% may be)."
    changed = change(scores, where, value=None, low=None, high=None, reason=reason)
    text = markdown(main_table(changed))
    (row,) = [line for line in text.splitlines() if line.startswith("| NCA")]
    assert row.split("|")[2].strip() == BLANK
    assert f"NCA (Global safe, Global safe, pooled): {reason}" in text


def test_unscored_answers_are_counted_in_their_cell_and_else_denied(scores):
    assert "Every answer was scored." in markdown(main_table(scores))
    changed = change(scores, {"recipe": "nca", "metric": "safety"}, n_unscored=7)
    text = markdown(main_table(changed))
    assert "u=7" in text
    assert "Every answer was scored." not in text


def test_csv_holds_every_number(main, tmp_path):
    save(main, tmp_path)
    frame = pl.read_csv(tmp_path / "main.csv")
    assert frame["ALERT safe n"].to_list() == [320] * 13
    lows = [row[0].low for row in main.entries]
    assert frame["Global safe low"].to_list() == pytest.approx(lows)


def test_latex_is_balanced_and_escaped(main):
    text = latex(main)
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert r"\toprule" in text
    assert "%" not in text.replace(r"\%", "").replace("!}{%", "")
    (row,) = [line for line in text.splitlines() if line.startswith("SPPO")]
    assert row.count("&") == 20


def test_gains_and_losses_carry_their_sign(scores):
    table = differences_table(scores)
    assert "none" not in table.rows
    column = table.columns[0]
    assert number(0.0123, column) == "+1.2"
    assert number(-0.0123, column) == f"{MINUS}1.2"
    assert number(-0.00001, column) == "0.0"


def test_categories_and_attacks_are_rows_with_their_n(scores):
    categories = sliced_table("categories", scores)
    assert "ALERT: crime_cyber" in categories.rows
    assert len(categories.rows) == 2 * (4 + 19)
    assert "crime_cyber (n=16)" in markdown(categories)
    assert sliced_table("attacks", scores).rows[0] == "jailbreak"
    assert categories.rows[4] == "Adversarial ALERT: crime (macro)"
    assert ["(macro)" in row for row in categories.rows].index(False) == 8
    entry = cell(categories, "ALERT: hate (macro)", "NCA")
    where = {"recipe": "nca", "benchmark": "alert", "metric": "safety"}
    row = score(scores, **where, slice="macro=hate")
    assert (entry.value, entry.low, entry.n) == (row["value"], row["low"], 96)


def test_answers_table_shows_what_a_guard_cannot_see_at_every_benchmark(scores):
    table = answers_table(scores, NO_RUNS)
    assert heads(table) == (
        "safe; safe and coherent; toxicity; true refusals; empty; cut at limit; "
        "repetitive; disfluent; degenerate; tokens"
    )
    benchmarks = [row.split(":")[0] for row in table.rows[::13]]
    expected = ["Global", "ALERT", "Adversarial ALERT", "toxicity", "XSTest"]
    assert benchmarks == expected
    for benchmark, title in ("alert", "ALERT: NCA"), ("xstest", "XSTest: NCA"):
        row = score(scores, recipe="nca", benchmark=benchmark, metric="degenerate")
        assert cell(table, title, "degenerate").low == row["low"]


def test_many_cut_answers_are_told_with_the_limit_that_cut_them(scores):
    cut = {"metric": "truncated"}
    few = change(scores, cut, value=0.1)
    nca = {**cut, "benchmark": "xstest", "recipe": "nca"}
    many = change(few, nca, value=0.95)
    limits = (("xstest", 48.0), ("xstest", 48.0), ("alert", 64.0))
    facts = [fact("limit", name, "max_new_tokens", limit) for name, limit in limits]
    runs = pl.DataFrame(facts, schema=RUNS)
    (note,) = [n for n in answers_table(many, runs).notes if "cut at the limit" in n]
    assert note.startswith("XSTest: 1 of 13 models have more than 10% of their")
    assert "at the limit of 48 new tokens (`max_new_tokens`), up to 95.0%" in note
    assert not any("cut at the limit" in n for n in answers_table(few, runs).notes)
    # Without a limit there is nothing to name.
    assert not any("cut at the limit" in n for n in answers_table(many, NO_RUNS).notes)


def test_how_good_a_judge_of_fluency_is_stands_in_a_table_of_its_own():
    judge = ("fluency", "fluency, base")
    found = {"low": 0.0, "high": 0.02, "n": 100}
    facts = [
        fact(*judge, "threshold", 0.45, n=200),
        fact(*judge, "called_disfluent_refusals", 0.01, **found),
        fact(*judge, "found_shuffled", None, n=0),
    ]
    runs = pl.DataFrame(facts, schema=RUNS)
    text = markdown(facts_table("fluency", runs))
    assert "1.0 [0.0, 2.0]" in text
    assert "0.450" in text
    assert "temperature 3" in text
    assert facts_table("judge", runs).rows == []


def test_what_a_benchmark_does_not_ask_for_is_no_hole(scores):
    table = answers_table(scores, NO_RUNS)
    assert cell(table, "XSTest: NCA", "safe").value is None
    assert "Not among the scores" not in markdown(table)
    gone = {"recipe": "nca", "benchmark": "alert", "metric": "safety"}
    changed = change(scores, gone, value=None, reason="Refused so.")
    assert "ALERT: NCA (safe): Refused so." in markdown(answers_table(changed, NO_RUNS))


def test_the_summary_has_the_degenerate_share_and_stays_narrow(scores):
    assert heads(summary_table(scores)) == (
        "Global safe; safe and coherent; true refusals; degenerate; toxicity; "
        "benign requests lost; capability, mean"
    )


def test_decontaminated_scores_stand_beside_the_plain_ones(scores):
    plain = scores.filter(metric="safety", slice="all", benchmark="alert")
    clean = plain.with_columns(
        slice=pl.lit("decontaminated"), n=pl.col("n") - 5, value=pl.col("value") / 2
    )
    table = decontaminated_table(pl.concat([scores, clean]))
    assert titles(table) == ["ALERT safe", "ALERT safe, decontaminated"]
    for first, second in table.entries:
        assert second.value == first.value / 2
        assert second.n == first.n - 5
    assert decontaminated_table(scores).columns == []


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


def test_tables_of_runs(runs):
    assert facts_table("judge", runs).rows == ["mini-guard", "mini-refusal"]
    assert titles(facts_table("judge", runs)) == ["accuracy", "false positive rate"]
    assert titles(facts_table("rows", runs)) == ["kept", "not exactly one safe"]
    assert "ALERT 320" in markdown(facts_table("overlap", runs))
    assert facts_table("training", runs).rows[0].startswith("DPO, mini-base")


def test_unread_rows_of_a_judge_are_counted_in_every_form(runs):
    table = facts_table("judge", runs)
    frame = numbers(table)
    assert frame["accuracy unscored"].to_list() == [7, 0]
    assert frame["false positive rate unscored"].null_count() == 2
    text = markdown(table)
    assert "mini-guard 7, mini-refusal 0" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| mini-guard")]
    assert "] u=7 |" in row
    assert "| accuracy (n=200) |" in text
    assert "u: answers that a judge could not score" in text
    uncounted = facts_table("judge", runs.filter(pl.col("metric") != "n_unscored"))
    assert numbers(uncounted)["accuracy unscored"].null_count() == 2


def test_judges_of_scores_stand_beside_judges_of_labels(runs):
    limits = {"low": 0.9, "high": 0.97, "n": 200}
    facts = [
        fact("judge", "r", "pairwise_accuracy", 0.95, **limits),
        fact("judge", "r", "ties", 3),
        fact("judge", "h", "spearman", -0.5, low=-0.75, high=0.97, n=200),
    ]
    more = pl.DataFrame(facts, schema=RUNS)
    table = facts_table("judge", pl.concat([runs, more]))
    text = markdown(table)
    assert "ties are wrong: r 3." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| r |")]
    assert "95.0 [90.0, 97.0]" in row
    # A correlation is no share, and a judge without labels has no accuracy.
    (row,) = [line for line in text.splitlines() if line.startswith("| h |")]
    assert "\N{MINUS SIGN}0.500 [\N{MINUS SIGN}0.750, 0.970]" in row
    assert "u=" not in row
    assert numbers(table)["accuracy unscored"].to_list() == [None, 7, 0, None]


def test_tables_of_a_study_without_some_benchmarks_leave_them_out(scores):
    few = scores.filter(pl.col("benchmark") == "xstest")
    expected = "degenerate; over-refusal; benign requests lost"
    assert heads(main_table(few)) == expected
    assert main_table(few).marks == [""] * 13
    for make in ALL:
        assert markdown(make(few))
        assert latex(make(few))


def test_benchmarks_without_a_global_score_and_two_guards_are_told_apart(scores):
    other = scores.filter(metric="safety").with_columns(judge=pl.lit("other"))
    shown = titles(main_table(pl.concat([scores, other])))
    assert {"Global safe (judge)", "Global safe (other)"} <= set(shown)
    few = scores.filter(pl.col("benchmark").is_in(["toxicity", "xstest"]))
    shown = titles(main_table(few))
    assert shown[:2] == ["toxicity degenerate", "XSTest degenerate"]
    assert len(set(shown)) == len(shown)


def test_task_names_lose_what_they_share():
    assert short_tasks(["task=mini_math", "task=mini_dev_facts"]) == {
        "task=mini_math": "math",
        "task=mini_dev_facts": "dev facts",
    }
    assert short_tasks(["task=gsm8k"]) == {"task=gsm8k": "gsm8k"}
    assert short_tasks(["task=bbh", "task=ifeval"])["task=bbh"] == "bbh"


def test_without_a_guard_refusals_of_harmful_requests_stand_for_safety(scores):
    judged = pl.col("metric").str.contains("safe|attack_success")
    refused = scores.filter(~judged)
    table = main_table(refused)
    assert "true refusals" in " ".join(titles(table))
    assert any(table.marks), "models on the Pareto front of refusals"
    figure = trade_off(refused, "safety", "capability")
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith("harmful requests refused (%)")
    assert axes.axison
    (axes,) = trade_off(refused, "safe_and_coherent", "capability").axes
    assert axes.texts[0].get_text().startswith(NO_DOTS)
