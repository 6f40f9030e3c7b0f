"""Likelihoods of known answers in every report: beside capability, in nats."""

import polars as pl
import pytest

from made_up_course import course_scores
from made_up_serve import serve_scores
from safegrid.report.names import MINUS
from safegrid.report.partial import PAPERS
from safegrid.report.tables import (
    decontaminated_table,
    differences_table,
    main_table,
    summary_table,
)
from safegrid.report.writing import latex, markdown
from score_tables import cell, change, titles

NAME = "reference_likelihood"
TITLE = "log-probability of known answers (nats a token)"
PRINTED = f"{MINUS}2.500 [{MINUS}2.625, {MINUS}2.375]"


def likelihoods(scores, metric=NAME, value=-2.5):
    """Return a likelihood in the place of each score of capability."""
    limits = {"value": value, "low": value - 0.125, "high": value + 0.125}
    named = {"benchmark": "references", "judge": "references", "metric": metric}
    rows = scores.filter(metric="capability", slice="all")
    return change(rows, {"metric": "capability"}, **named, **limits)


def test_likelihoods_stand_beside_capability_in_nats_and_never_in_percent(scores):
    likely = change(likelihoods(scores), {"recipe": "nca"}, value=-2.25)
    against = likelihoods(scores, f"{NAME}_vs_base", 0.25)
    both = pl.concat([scores, likely, against])
    for make, printed in (
        (main_table, PRINTED),
        (summary_table, f"**{MINUS}2.250 "),
        (differences_table, "+0.250 [+0.125, +0.375]"),
    ):
        assert titles(make(both)).count(TITLE) == 1
        assert printed in markdown(make(both))
    main = main_table(both)
    assert titles(main)[-1] == TITLE
    assert cell(main, "NCA", TITLE).value == -2.25
    tex = latex(main)
    assert r"log-probability of known answers\\(nats a token)" in tex
    assert "$-$2.500" in tex
    clean = likely.with_columns(slice=pl.lit("decontaminated"))
    shown = titles(decontaminated_table(pl.concat([scores, likely, clean])))
    assert shown == [f"references {TITLE}", f"references {TITLE}, decontaminated"]


@pytest.mark.parametrize(
    ("made", "number", "names"),
    [
        (serve_scores, "2412.00074", ["helpfulness", "all_methods"]),
        (course_scores, "2407.16637", ["before_after"]),
    ],
)
def test_reports_of_papers_have_them_too(papers, made, number, names):
    both = pl.concat([made(), likelihoods(made())])
    for name in names:
        table = PAPERS[number][0][name](both, papers[number])
        assert f"references {TITLE}" in titles(table)
        assert PRINTED in markdown(table)
