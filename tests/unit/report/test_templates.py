"""Notebook templates hold calls and sentences, no outputs; every figure has words."""

import json
import re

import pytest

from safegrid.report import frontier, trade_off

NAMES = [
    "1_tables",
    "2_categories_and_attacks",
    "3_trade_off",
    "4_training_curves",
    "5_figure_1",
    "7_safe_to_serve",
    "8_course_correction",
    "9_frontier",
]


@pytest.fixture(params=NAMES)
def template(request):
    path = request.config.rootpath / "notebooks" / f"{request.param}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def code(template):
    return [cell for cell in template["cells"] if cell["cell_type"] == "code"]


def text(template):
    return "\n".join("".join(cell["source"]) for cell in template["cells"])


def test_templates_are_stored_without_outputs(template):
    for cell in code(template):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_templates_name_kernel_and_language(template):
    assert template["metadata"]["kernelspec"]["name"] == "python3"
    assert template["metadata"]["language_info"]["name"] == "python"


def test_one_cell_holds_the_parameters(template):
    tagged = [
        c for c in code(template) if "parameters" in c["metadata"].get("tags", [])
    ]
    assert len(tagged) == 1


def test_cells_call_the_package_and_define_nothing(template):
    words = text(template)
    assert not re.search(r"^\s*(def|class|for|while|if) ", words, re.MULTILINE)
    assert max(len(cell["source"]) for cell in code(template)) <= 8


def test_every_figure_has_a_caption(request):
    root = request.config.rootpath
    drawn = set()
    for name in NAMES[1:]:
        cells = json.loads((root / f"notebooks/{name}.ipynb").read_text())["cells"]
        for cell in cells:
            drawn |= set(re.findall(r'figures,\s*"(\w+)"', "".join(cell["source"])))
    captions = {path.stem for path in (root / "docs/captions").glob("*.rst")}
    assert len(drawn) == 20
    assert drawn <= captions
    assert {*trade_off.FIGURES, *frontier.FIGURES} <= drawn
