"""Cells by the names of their parts, and what is told of names that mean none."""

from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.core.errors import ConfigError
from safegrid.study import Study, cells
from safegrid.study.selection import Selection

ROOT = Path(__file__).parents[3] / "config"
MODELS = ["none", "dpo", "nca"]


@pytest.fixture(scope="module")
def study():
    return Study(load_config(ROOT, "tiny"))


def paths(found):
    return [cell.path for cell in found]


def test_recipe_and_benchmark_name_a_cell_where_base_and_seed_are_one(study):
    cell = Selection(study, {"recipe": "nca", "benchmark": "alert"}).cell()
    assert cell.path == "tiny-base/nca/seed0/alert"
    files = cells.files(study, cell)
    assert files[0] == "results/tiny/responses/tiny-base/nca/seed0/alert.parquet"
    assert len(files) == 2 + len(study.config.benchmarks["alert"].judges)
    assert files[-1] == "results/tiny/scores/tiny-base/nca/seed0/alert.parquet"


def test_a_suite_is_its_results_and_its_scores(study):
    cell = Selection(study, {"recipe": "nca", "benchmark": "capability"}).cell()
    assert cells.files(study, cell) == [
        "results/tiny/capability/tiny-base/nca/seed0/capability.json",
        "results/tiny/scores/tiny-base/nca/seed0/capability.parquet",
    ]


def test_a_slice_is_all_that_fits(study):
    by_benchmark = Selection(study, {"benchmark": "alert", "seed": 0}).cells()
    assert paths(by_benchmark) == [f"tiny-base/{m}/seed0/alert" for m in MODELS]
    by_method = Selection(study, {"method": "dpo"}).cells()
    names = study.config.benchmarks
    assert paths(by_method) == [f"tiny-base/dpo/seed0/{name}" for name in names]


def test_every_name_that_is_not_there_is_told_at_once(study):
    with pytest.raises(ConfigError) as caught:
        Selection(study, {"recipe": "ncaa", "benchmark": "allert", "seed": 7})
    text = str(caught.value)
    assert "recipe: got 'ncaa', no recipe of that name; did you mean 'nca'?" in text
    assert "benchmark: got 'allert', no benchmark of that name; did you mean" in text
    assert "seed: got '7', no seed of that name; known: 0" in text


def test_several_cells_are_not_one(study):
    selection = Selection(study, {"recipe": "nca"})
    with pytest.raises(ConfigError, match="5 cells of 'tiny' have recipe=nca; say"):
        selection.cell()
    with pytest.raises(ConfigError, match="benchmark: alert, alert_adversarial"):
        selection.cell()


def test_names_that_do_not_meet_and_no_name_at_all_are_told(study):
    nowhere = Selection(study, {"recipe": "nca", "method": "dpo"})
    with pytest.raises(ConfigError, match="no cell of 'tiny' has recipe=nca method"):
        nowhere.cells()
    with pytest.raises(ConfigError, match=r"which cells\?"):
        Selection(study, {"study": "tiny", "sources_dir": None}).cells()
