"""Lengths are measured where a study's files are, and assumed where they are not."""

import polars as pl
import pytest

from safegrid.core.artifacts import write_table
from safegrid.core.records import IDS, LIKELIHOOD, PAIRS, RESPONSE
from safegrid.cost.data import Data
from safegrid.cost.estimate import estimate
from safegrid.cost.printing import text
from safegrid.cost.tokens import UnknownError
from safegrid.judge.changes import CHANGES
from safegrid.study.grid import Cell, Model


def write(path, rows, schema):
    path.parent.mkdir(parents=True)
    full = [dict.fromkeys(schema) | row for row in rows]
    write_table(path, pl.DataFrame(full, schema=schema), schema, {})


@pytest.fixture
def data(make_study, assumed, tmp_path):
    return Data(make_study("mini"), assumed, tmp_path)


def test_pairs_are_assumed_until_they_are_measured(data, tmp_path):
    _, both, pairs = data.pairs(Model("mini-base", "dpo", 0))
    assert pairs.rows == 2063
    prompt = data.assumed.sources["mini-pku"]["train"].prompt.mean
    once = 2 * both.mean - prompt - data.assumed.template
    assert pairs.mean == pytest.approx(once, rel=0.05)
    assert (both.rows, both.measured) == (2 * 2063, False)
    assert both.longest <= 160, "longer pairs are dropped"
    assert both.source.endswith(": mini-pku train")
    rows = [
        {"prompt_ids": [1] * 3, "chosen_ids": [1] * 2, "rejected_ids": [1] * 7},
        {"prompt_ids": [1] * 4, "chosen_ids": [1], "rejected_ids": [1]},
    ]
    name = "results/mini/pairs/mini-base/safety.parquet"
    write(tmp_path / name, rows, PAIRS)
    data = Data(data.study, data.assumed, tmp_path)
    chosen, both, pairs = data.pairs(Model("mini-base", "dpo", 0))
    assert chosen.lengths == (5,)
    assert pairs.lengths == (6, 12), "a prompt once, and both answers"
    assert (both.lengths, both.counts, both.measured) == ((5, 10), (3, 1), True)
    assert both.source == f"lengths measured: {name}"


def test_answers_of_the_base_stand_in_for_those_of_a_model(data, tmp_path):
    cell = Cell(Model("mini-base", "dpo", 0), "alert")
    guess = data.answers(cell)
    assert (guess.lengths, guess.measured) == ((48,), False), "as long as they may be"
    path = tmp_path / "results/mini/responses/mini-base/none/seed0/alert.parquet"
    write(path, [{"n_tokens": 3}, {"n_tokens": 5}], RESPONSE)
    found = Data(data.study, data.assumed, tmp_path).answers(cell)
    assert (found.lengths, found.measured) == ((3, 5), True)
    assert "none/seed0/alert.parquet in place of models that have none" in found.source


def test_prompts_are_those_of_the_base_or_of_another_one(make_study, assumed, tmp_path):
    study = make_study("falcon-11b")
    path = tmp_path / "results/falcon-11b/ids/falcon-11b/xstest.parquet"
    write(path, [{"ids": [1] * 18 + [2] * 2}, {"ids": [1] * 18 + [3] * 12}], IDS)
    data = Data(study, assumed, tmp_path)
    found = data.prompts("falcon-11b", "xstest")
    assert (found.lengths, found.shared) == ((20, 30), 18)
    other = data.prompts("gemma-2-9b-it", "xstest")
    assert other.lengths == (20, 30)
    assert other.source.endswith("in place of gemma-2-9b-it's")
    guess = data.prompts("falcon-11b", "toxicity")
    assert (guess.rows, guess.shared) == (10_000, 0), "a limit; not known"


def test_what_nobody_knows_is_unknown(make_study, assumed, tmp_path):
    none = assumed.model_copy(update={"sources": {}, "tasks": {}})
    data = Data(make_study("mini"), none, tmp_path)
    with pytest.raises(UnknownError, match=r"`sources: mini-pku: train`"):
        data.pairs(Model("mini-base", "dpo", 0))
    with pytest.raises(UnknownError, match="task mini_math"):
        data.task("mini_math", None)


def test_c2_eval_asks_each_row_once_for_each_k_with_its_beginning(
    make_study, assumed, tmp_path
):
    prompts = {"source": "c2-eval", "file": "test"}
    block = {"prompts": prompts, "judges": ["gpt-4o-correction"]}
    study = make_study("mini", {"benchmarks": {"c2_eval": block}})
    found = Data(study, assumed, tmp_path).prompts("mini-base", "c2_eval")
    assert found.rows == 500 * 8
    # 45 words on average, a third more tokens, the request and the template.
    assert found.mean == pytest.approx(60 + 17 + assumed.template, rel=0.05)


@pytest.fixture
def corrected(make_study, assumed, tmp_path):
    """What is assumed of a study with corrections of 2000 requests in 2 parts."""
    requests = {"source": "pku-saferlhf", "limit": 2000}
    made = {"recipe": "none", "decode": {"max_new_tokens": 128}, "shards": 2}
    dataset = {"corrections": made | {"requests": requests}, "max_length": 100_000}
    recipes = {"dpo": {"method": "dpo", "dataset": "c2"}}
    study = make_study("mini", {"datasets": {"c2": dataset}, "recipes": recipes})
    return Data(study, assumed, tmp_path)


def test_corrections_are_asked_five_times_and_give_fifteen_pairs(corrected):
    parts = [corrected.prompts("mini-base", f"c2/part{n}") for n in (1, 2)]
    assert [part.rows for part in parts] == [5000, 5000]
    chosen, both, pairs = corrected.pairs(Model("mini-base", "dpo", 0))
    assert (chosen.rows, both.rows, pairs.rows) == (30_000, 60_000, 30_000)
    known = corrected.assumed.sources["pku-saferlhf"]["train"]
    asked = known.prompt.mean + corrected.assumed.template
    # A bare request, and beginnings of a quarter, a half, three quarters, the whole.
    mean = asked + known.answer.mean * 2.5 / 5
    assert parts[0].mean == pytest.approx(mean, rel=0.02)
    # Of the six, the unsafe answer alone is not written by a model.
    ladder = [asked + n / 4 * known.answer.mean + 128 for n in range(5)]
    times = [5, 4, 3, 2, 1]
    total = sum(n * length for n, length in zip(times, ladder, strict=True))
    assert chosen.mean == pytest.approx(total / 15, rel=0.02)


def test_a_plan_says_what_1000_requests_cost(corrected, assumed, gpus):
    plan = estimate(corrected.study, assumed, gpus, "h200", None, {}, corrected.root)
    (row,) = (r for r in plan.rows if (r.kind, r.what) == ("generate", "c2"))
    assert row.jobs == 2
    assert plan.per_thousand["c2"] == pytest.approx(row.gpu_hours / 2)
    said = f"1000 requests of c2 take {plan.per_thousand['c2']:.3g} GPU-hours"
    assert said in text(plan, assumed, "float32")


def test_pairs_against_a_models_own_answers_have_the_lengths_of_both(
    make_study, assumed, tmp_path
):
    made = {
        "recipe": "none",
        "chosen": [
            {"source": source, "file": file, "limit": limit}
            for source, file, limit in (
                ("safety-tuned-llamas-training", "safety_only", 400),
                ("alpaca-eval-answers", "text_davinci_003", 200),
            )
        ],
        "decode": {"max_new_tokens": 48},
    }
    dataset = {"rejected_by_model": made, "max_length": 1000}
    changes = {
        "datasets": {"refusals": dataset},
        "recipes": {"dpo": {"method": "dpo", "dataset": "refusals"}},
    }
    data = Data(make_study("mini", changes), assumed, tmp_path)
    asked = data.prompts("mini-base", "refusals")
    assert asked.rows == 600
    mean = (400 * 13 + 200 * 41) / 600 + assumed.template
    assert asked.mean == pytest.approx(mean, rel=0.03)
    chosen, both, pairs = data.pairs(Model("mini-base", "dpo", 0))
    assert (chosen.rows, both.rows, pairs.rows) == (600, 1200, 600)
    assert pairs.mean == pytest.approx(chosen.mean + 48)
    answers = (400 * 86 + 200 * 77) / 600
    assert chosen.mean == pytest.approx(mean + answers, rel=0.03)
    rejected = both.total - chosen.total
    assert rejected / 600 == pytest.approx(mean + 48, rel=0.03)


def test_known_answers_are_read_in_one_forward_by_every_model(
    make_study, assumed, gpus, tmp_path
):
    prompts = {"source": "alpaca-eval-answers", "file": "example", "limit": 200}
    block = {"like": "reference_likelihood", "prompts": prompts}
    study = make_study("mini", {"benchmarks": {"references": block}})
    plan = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
    (row,) = (r for r in plan.rows if (r.kind, r.what) == ("capability", "references"))
    assert (row.jobs, row.unknown, row.writes) == (len(study.models), 0, None)
    assert row.reads.mean == pytest.approx(41 + 82 + assumed.template, rel=0.05)
    assert row.gpu_hours > 0
    path = tmp_path / "results/mini/likelihoods/mini-base/none/seed0/references.parquet"
    rows = [{"n_prompt_tokens": n, "n_tokens": m} for n, m in ((5, 2), (4, 9))]
    write(path, rows, LIKELIHOOD)
    found = Data(study, assumed, tmp_path).references("mini-base", "references")
    assert (found.lengths, found.measured) == ((7, 13), True)


def test_checkpoints_cost_no_training_but_disk_and_answers(
    make_study, assumed, gpus, tmp_path
):
    def rows(*steps):
        study = make_study("falcon-11b", {"training": {"checkpoints": list(steps)}})
        plan = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
        return study, {(row.kind, row.what): row for row in plan.rows}

    (study, plain), (_, kept) = rows(), rows(1, 2)
    models = len(study.models)
    asked = models + 2 * len(study.trained)
    assert plain.keys() == kept.keys()
    for (kind, what), row in plain.items():
        more = kept[kind, what]
        if kind in ("train", "reference", "validate_judge", "calibrate"):
            assert (more.jobs, more.gpu_hours) == (row.jobs, row.gpu_hours)
            disk = 3 if kind == "train" else 1
            assert more.disk == pytest.approx(disk * row.disk)
        else:
            assert more.jobs == row.jobs * asked // models


def test_a_judge_is_asked_again_on_its_sample_in_every_form(
    make_study, assumed, gpus, tmp_path
):
    def plan(answers):
        study = make_study("falcon-11b", {"stress_answers": answers})
        found = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
        return {(row.kind, row.what): row for row in found.rows}

    plain, more = plan(0), plan(200)
    for judge in ("llama-guard-3-8b", "wildguard", "roberta-toxicity"):
        before, after = plain["judge", judge], more["judge", judge]
        assert after.jobs == before.jobs + 1
        assert after.reads.rows == before.reads.rows + 200 * len(CHANGES)
        assert before.gpu_hours < after.gpu_hours < 1.05 * before.gpu_hours
    assert more["judge", "fluency"] == plain["judge", "fluency"]
