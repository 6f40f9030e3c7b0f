"""Notebooks run on a made-up grid and write every table and figure."""

import html
import importlib.util
import json
import re

import polars as pl
import pytest

from made_up_course import course_scores
from made_up_serve import serve_scores
from safegrid.artifacts import manifest, write_table
from safegrid.errors import ConfigError
from safegrid.records import RUNS, SCORE
from safegrid.report.notebook import run_notebook

WRITTEN = {
    "1_tables": ["tables/main.tex", "tables/trainings.csv"],
    "3_trade_off": ["figures/trade_off_capability.svg"],
    "4_training_curves": ["figures/curves_margins.pdf"],
    "5_figure_1": ["figures/figure_1.png", "tables/published.md"],
    "7_safe_to_serve": ["figures/figure_8.png", "tables/sit.md", "tables/dpo.csv"],
    "8_course_correction": ["figures/corr_curves.svg", "tables/before_after.tex"],
}
OF_A_PAPER = {
    "7_safe_to_serve": ("2412.00074", serve_scores),
    "8_course_correction": ("2407.16637", course_scores),
}


@pytest.fixture(scope="module")
def made_up(request):
    """The module of made-up scores that the unit tests use."""
    path = request.config.rootpath / "tests/unit/report/conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_grid", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def inputs(request, made_up, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    facts = manifest("collect", {}, {})
    scores, runs = made_up.synthetic_scores(), made_up.synthetic_runs()
    write_table(folder / "scores.parquet", scores, SCORE, facts)
    write_table(folder / "runs.parquet", runs, RUNS, facts)
    for number, scores_of in OF_A_PAPER.values():
        write_table(folder / f"{number}.parquet", scores_of(), SCORE, facts)
    published = request.config.rootpath / "config/published/2409.07772.csv"
    return {
        "scores": folder / "scores.parquet",
        "runs": folder / "runs.parquet",
        "tables": folder / "tables",
        "figures": folder / "figures",
        "published": published,
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_a_notebook_writes_its_products_and_a_page(request, inputs, tmp_path, name):
    template = request.config.rootpath / "notebooks" / f"{name}.ipynb"
    text = template.read_text(encoding="utf-8")
    if name in OF_A_PAPER:
        number, _ = OF_A_PAPER[name]
        own = {"published": inputs["published"].with_name(f"{number}.csv")}
        own["scores"] = inputs["scores"].with_name(f"{number}.parquet")
        inputs = {**inputs, **own}
    values = [f"{key}={path}" for key, path in inputs.items() if f"{key} = " in text]
    out = tmp_path / f"{name}.ipynb"
    run_notebook(template, values, out)
    for product in WRITTEN[name]:
        assert (inputs["scores"].parent / product).stat().st_size > 0
    shown = [
        output
        for cell in json.loads(out.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert kinds & {"text/markdown", "image/png"}
    assert "<html" in out.with_suffix(".html").read_text()[:500]


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
