"""Notebooks write every table and figure, and a page with what they show."""

import html
import json
import re

import polars as pl
import pytest

from made_up_course import course_scores
from made_up_serve import serve_scores
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import ConfigError
from safegrid.core.records import SCORE
from safegrid.report.notebook import run_notebook

# What a study of the first paper draws; `finished` has run all of them.
OF_THE_FIRST = [
    "1_tables",
    "2_categories_and_attacks",
    "3_trade_off",
    "4_training_curves",
    "5_figure_1",
    "6_cost",
    "9_frontier",
]
# Of the other papers: products, numbers, made-up scores.
OF_ANOTHER = {
    "7_safe_to_serve": (
        ["figures/figure_8.png", "tables/sit.md", "tables/dpo.csv"],
        "2412.00074",
        serve_scores,
    ),
    "8_course_correction": (
        ["figures/corr_curves.svg", "tables/before_after.tex"],
        "2407.16637",
        course_scores,
    ),
}


def check_page(notebook):
    """Check that an executed notebook shows something, and has a page."""
    shown = [
        output
        for cell in json.loads(notebook.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert kinds & {"text/markdown", "image/png"}
    assert "<html" in notebook.with_suffix(".html").read_text()[:500]


@pytest.mark.parametrize("name", OF_THE_FIRST)
def test_a_notebook_of_a_study_has_a_page(finished, name):
    check_page(finished.folder / f"results/tiny/notebooks/{name}.ipynb")


@pytest.mark.parametrize("name", OF_ANOTHER)
def test_a_notebook_of_another_paper_writes_its_products(request, tmp_path, name):
    products, paper, scores = OF_ANOTHER[name]
    write_table(
        tmp_path / "scores.parquet", scores(), SCORE, manifest("collect", {}, {})
    )
    values = {
        "scores": tmp_path / "scores.parquet",
        "tables": tmp_path / "tables",
        "figures": tmp_path / "figures",
        "published": request.config.rootpath / f"config/published/{paper}.csv",
    }
    template = request.config.rootpath / "notebooks" / f"{name}.ipynb"
    out = tmp_path / f"{name}.ipynb"
    run_notebook(template, [f"{key}={path}" for key, path in values.items()], out)
    for product in products:
        assert (tmp_path / product).stat().st_size > 0
    check_page(out)


def test_an_unknown_parameter_is_refused(request, tmp_path):
    template = request.config.rootpath / "notebooks/3_trade_off.ipynb"
    with pytest.raises(ConfigError, match="score"):
        run_notebook(template, ["score=x"], tmp_path / "o.ipynb")


# Shorter ones may stand in any page by chance.
LEAST_LETTERS = 20
PICTURE = re.compile(r"data:[\w/+.-]+;base64,[\w+/=\s\\]+")


def asked_and_answered(results):
    """Every prompt and every response of a study that is long enough to be told."""
    tables = [pl.read_parquet(path) for path in results.glob("responses/**/*.parquet")]
    texts = {text for table in tables for text in table["text"]}
    for path in results.glob("prompts/*.parquet"):
        turns = pl.read_parquet(path)["prompt"].explode()
        texts |= set(turns.struct.field("content"))
    return {text.strip() for text in texts if len(text.strip()) >= LEAST_LETTERS}


def test_no_prompt_and_no_response_stands_in_what_a_study_shows(finished):
    results = finished.folder / "results/tiny"
    texts = asked_and_answered(results)
    assert len(texts) > 100
    ways = {
        way
        for text in texts
        for way in (text, html.escape(text), json.dumps(text)[1:-1])
    }
    shown = [
        path
        for folder in ("tables", "figures", "notebooks", "report")
        for path in (results / folder).rglob("*")
        if path.suffix in (".csv", ".md", ".tex", ".svg", ".html", ".ipynb")
    ]
    assert {"report.html", "1_tables.html", "main.csv"} <= {p.name for p in shown}
    for path in shown:
        page = PICTURE.sub("", path.read_text(encoding="utf-8"))
        # Counted, not shown: a failing test must not print them either.
        assert sum(way in page for way in ways) == 0, path.name
