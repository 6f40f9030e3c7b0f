"""The graph of recipes and datasets: mixes, and rows that a model makes."""

import pytest

from safegrid.core.errors import ConfigError
from safegrid.study import cells, gathered, trainings
from safegrid.study.grid import Cell, Model
from safegrid.study.upstreams import Upstreams

PROMPTS = {"source": "alpaca-seeds", "file": "seeds", "kind": "instructions"}


def raft(maker, **changes):
    made = {
        "recipe": maker,
        "prompts": {**PROMPTS, "limit": 20},
        "decode": {"max_new_tokens": 16, "temperature": 0.85, "samples": 8},
        "judge": "tiny-reward",
    }
    return {"best_of_k": {**made, **changes}, "max_length": 160}


def with_raft(entry):
    """Add instructions and two iterations of RAFT."""
    part = {"source": "alpaca-seeds", "file": "seeds"}
    entry["seeds"] = [0, 1]
    entry["datasets"] |= {
        "it": {"parts": [part], "max_length": 160},
        "raft_1": raft("it"),
        "raft_2": raft("raft_1"),
    }
    entry["recipes"] |= {
        "it": {"method": "sft", "dataset": "it"},
        "raft_1": {"method": "sft", "dataset": "raft_1", "init_from": "it"},
        "raft_2": {"method": "sft", "dataset": "raft_2", "init_from": "raft_1"},
    }


def change(**changes):
    """Return a change of the first iteration's block."""
    return lambda entry: entry["datasets"]["raft_1"]["best_of_k"].update(changes)


@pytest.fixture
def load(load_tiny):
    """Load study tiny with two iterations of RAFT, after changes of it."""
    return lambda *changes: load_tiny(with_raft, *changes)


def test_an_iteration_is_made_by_the_one_before_it_at_its_seed(load):
    study, model = load(), Model("tiny-base", "raft_2", 1)
    maker = Model("tiny-base", "raft_1", 1)
    assert study.maker("raft_2", "tiny-base", 1) == maker
    assert trainings.rows_name(study, model) == "raft_2/seed1"
    assert trainings.pairs(study, model).endswith(
        "/pairs/tiny-base/raft_2/seed1.parquet"
    )
    made = trainings.dataset_file(study, "tiny-base", "raft_2/seed1")
    assert made == "results/tiny/generated/tiny-base/raft_2/seed1.parquet"
    (pool,) = cells.made_from(study, "raft_2", "tiny-base", 1)
    assert pool == Cell(maker, "raft_2")
    assert cells.answers(study, pool).endswith(
        "responses/tiny-base/raft_1/seed1/raft_2.parquet"
    )
    assert cells.verdicts(study, pool) == [
        "results/tiny/verdicts/tiny-reward/tiny-base/raft_1/seed1/raft_2.parquet"
    ]


def test_a_pool_is_answered_by_its_maker_alone_and_is_no_benchmark(load):
    study = load()
    assert set(study.pool_cells) == {
        Cell(Model("tiny-base", maker, seed), pool)
        for maker, pool in (("it", "raft_1"), ("raft_1", "raft_2"))
        for seed in (0, 1)
    }
    assert "raft_1" in study.asked
    assert "raft_1" not in study.prompted
    pooled = cells.answers(study, Cell(Model("tiny-base", "it", 0), "raft_1"))
    assert pooled in cells.model_answers(study, Model("tiny-base", "it", 0))
    assert pooled not in cells.model_answers(study, Model("tiny-base", "it", 1))
    assert not any("raft_1.parquet" in file for file in gathered.all_scores(study))


@pytest.mark.parametrize(
    ("block", "rows"),
    [({"seed": 1}, "raft_1/seed1"), ({"recipe": "none"}, "raft_1/seed0")],
)
def test_a_maker_of_one_seed_makes_the_rows_of_all(load, block, rows):
    study = load(change(**block))
    models = [Model("tiny-base", "raft_1", seed) for seed in (0, 1)]
    assert {trainings.rows_name(study, model) for model in models} == {rows}


def test_what_mixes_and_pools_read_is_fetched(load):
    items = {i.name: i for i in Upstreams(load()).items if i.kind == "source"}
    assert items["alpaca-seeds"].files == ("seed_tasks.jsonl",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda e: e["recipes"]["it"].update(method="dpo"),
            r"recipes\.it\.dataset.*'it' holds instructions with one answer each",
        ),
        (change(recipe="raft_2"), r"raft_1\.init_from.*its rows are made by it"),
        (change(judge="tiny-rewad"), r"best_of_k\.judge.*mean 'tiny-reward'"),
        (
            lambda e: e["datasets"]["it"]["parts"][0].update(source="tiny-pku"),
            r"datasets\.it\.parts.*'tiny-pku' is of format 'pku'",
        ),
        (
            lambda e: e["datasets"]["it"].update(source="tiny-pku"),
            r"rows come from one of `source`, `parts`, `best_of_k`, `corrections`",
        ),
        (
            lambda e: e["recipes"]["it"].update(base="mini-base"),
            r"recipes\.it\.base.*'mini-base', which is none of the study's bases",
        ),
    ],
)
def test_what_cannot_be_made_is_told_before_any_job(load, change, said):
    with pytest.raises(ConfigError, match=said):
        load(change)
