"""Datasets that reject a model's own answers, in a study: files, graph, checks."""

import pytest

from safegrid.config.generated import RejectedByModelSpec
from safegrid.core.errors import ConfigError
from safegrid.study import cells, sources, trainings
from safegrid.study.grid import Cell, Model
from safegrid.study.upstreams import Upstreams

SAFETY = {"source": "safety-tuned-llamas-training", "file": "safety_only", "limit": 40}
ALPACA = {"source": "alpaca-seeds", "file": "seeds", "limit": 20}


def with_refusals(entry):
    """Add pairs against the base's own answers, on which two seeds are trained."""
    made = {
        "recipe": "none",
        "chosen": [SAFETY, ALPACA],
        "decode": {"max_new_tokens": 16},
    }
    entry["seeds"] = [0, 1]
    entry["datasets"]["refusals"] = {"rejected_by_model": made, "max_length": 160}
    entry["recipes"]["refuse"] = {"method": "dpo", "dataset": "refusals"}


def put(**changes):
    return lambda e: e["datasets"]["refusals"]["rejected_by_model"].update(changes)


@pytest.fixture
def load(load_tiny):
    """Load study tiny with such a dataset, after changes of it."""
    return lambda *changes: load_tiny(with_refusals, *changes)


def test_the_base_answers_once_for_all_seeds_and_nobody_judges(load):
    study, base = load(), Model("tiny-base", "none", 0)
    assert study.pool_cells == [Cell(base, "refusals")]
    rows = {trainings.rows_name(study, m) for m in study.trained if m.seed == 1}
    assert "refusals/seed0" in rows
    assert cells.verdicts(study, *study.pool_cells) == []
    assert "refusals" not in study.with_prompts
    asked = cells.model_answers(study, base)
    assert cells.answers(study, Cell(base, "refusals")) in asked


def test_answers_of_a_recipe_are_rejected_at_the_seed_of_the_training(load):
    study = load(put(recipe="dpo"))
    maker = study.maker("refusals", "tiny-base", 1)
    assert maker == Model("tiny-base", "dpo", 1)
    assert (
        trainings.rows_name(study, Model("tiny-base", "refuse", 1)) == "refusals/seed1"
    )


def test_jobs_are_given_the_parts_and_the_files_of_the_chosen_answers(load):
    study = load()
    given = study.rejected_by_model["refusals"].chosen
    assert [(part.source, part.limit) for part in given] == [
        ("safety-tuned-llamas-training", 40),
        ("alpaca-seeds", 20),
    ]
    assert sources.raw_files(study, given) == [
        "results/raw/safety-tuned-llamas-training/safety_only_data_Instructions.json",
        "results/raw/alpaca-seeds/seed_tasks.jsonl",
    ]
    made = study.rejected_by_model["refusals"]
    assert RejectedByModelSpec.model_validate_json(made.model_dump_json()) == made
    items = {i.name: i for i in Upstreams(study).items if i.kind == "source"}
    asked = "datasets.refusals.rejected_by_model.chosen"
    assert items["alpaca-seeds"].asked_by == (asked,)
    assert items["safety-tuned-llamas-training"].asked_by == (asked,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put(recipe="refuse"), r"recipes\.refuse\.init_from.*its rows are made by it"),
        (
            put(chosen=[{**SAFETY, "file": "safety"}]),
            r"rejected_by_model\.chosen\.0\.file.*did you mean 'safety_only'",
        ),
        (put(chosen=[]), r"rejected_by_model\.chosen.*at least 1 item"),
        (
            put(decode={"max_new_tokens": 8, "samples": 2}),
            r"`samples` is 2: one answer is rejected of each prompt",
        ),
        (put(judge="tiny-guard"), r"rejected_by_model\.judge"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_job(load, change, said):
    with pytest.raises(ConfigError, match=said):
        load(change)
