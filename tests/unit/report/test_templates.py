"""Notebook templates hold calls and sentences, no outputs; every figure has words."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGES = yaml.safe_load((ROOT / "rules/pages.yaml").read_text(encoding="utf-8"))


def sources(template):
    return ["".join(cell["source"]) for cell in template["cells"]]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_template_holds_calls_that_write_its_page(page):
    path = ROOT / "notebooks" / f"{page['notebook']}.ipynb"
    template = json.loads(path.read_text(encoding="utf-8"))
    assert template["metadata"]["kernelspec"]["name"] == "python3"
    assert template["metadata"]["language_info"]["name"] == "python"
    code = [cell for cell in template["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in code)
    assert all(cell["execution_count"] is None for cell in code)
    assert max(len(cell["source"]) for cell in code) <= 8
    tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
    assert tags == ["parameters"]
    text = "\n".join(sources(template))
    assert not re.search(r"^\s*(def|class|for|while|if) ", text, re.MULTILINE)
    assert re.findall(r'figures,\s*"(\w+)"', text) == sorted(
        page.get("figures", []), key=text.index
    )


def test_every_figure_has_a_caption():
    drawn = {name for page in PAGES.values() for name in page.get("figures", [])}
    captions = {path.stem for path in (ROOT / "docs/captions").glob("*.rst")}
    assert drawn
    assert drawn <= captions
