"""Notebooks run on a made-up grid and write every table and figure."""

import importlib.util
import json

import pytest

from safegrid.artifacts import manifest, write_table
from safegrid.errors import ConfigError
from safegrid.records import RUNS, SCORE
from safegrid.report.notebook import run_notebook

WRITTEN = {
    "1_tables": ["tables/main.tex", "tables/trainings.csv", "tables/overlap.md"],
    "3_trade_off": ["figures/trade_off_capability.svg"],
    "4_training_curves": ["figures/curves_margins.pdf"],
    "5_figure_1": ["figures/figure_1.png"],
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
    published = request.config.rootpath / "config/published/2409.07772-figure1.csv"
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
