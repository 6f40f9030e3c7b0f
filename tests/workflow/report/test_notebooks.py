"""Notebooks write every table and figure, and a page with what they show."""

import html
import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from made_up_course import course_scores
from made_up_serve import serve_scores
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import ConfigError
from safegrid.core.records import SCORE
from safegrid.report.notebook import run_notebook

ROOT = Path(__file__).parents[3]
PAGES = yaml.safe_load((ROOT / "rules/pages.yaml").read_text())
# The paper of the study `tiny`, and made-up scores of studies of the others.
PAPER = "2409.07772"
SCORES = {"2412.00074": serve_scores, "2407.16637": course_scores}
OURS = [p["notebook"] for p in PAGES.values() if p.get("paper", PAPER) == PAPER]


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


@pytest.mark.parametrize("name", OURS)
def test_a_notebook_of_a_study_has_a_page(finished, name):
    check_page(finished.folder / f"results/tiny/notebooks/{name}.ipynb")


@pytest.mark.parametrize("page", ["safe_to_serve", "course_correction"])
def test_a_notebook_of_another_paper_writes_its_products(tmp_path, page):
    page = PAGES[page]
    scores, out = tmp_path / "scores.parquet", tmp_path / "page.ipynb"
    made = SCORES[page["paper"]]()
    write_table(scores, made, SCORE, manifest("collect", {}, {}))
    published = ROOT / f"config/published/{page['paper']}.csv"
    values = [f"scores={scores}", f"published={published}"]
    values += [f"{kind}={tmp_path / kind}" for kind in ("tables", "figures")]
    run_notebook(ROOT / f"notebooks/{page['notebook']}.ipynb", values, out)
    products = [f"tables/{n}.{end}" for n in page["tables"] for end in ("csv", "tex")]
    for product in [*products, *(f"figures/{n}.png" for n in page["figures"])]:
        assert (tmp_path / product).stat().st_size > 0
    check_page(out)


def test_an_unknown_parameter_is_refused(tmp_path):
    template = ROOT / "notebooks/3_trade_off.ipynb"
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
    ways = {way for t in texts for way in (t, html.escape(t), json.dumps(t)[1:-1])}
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
