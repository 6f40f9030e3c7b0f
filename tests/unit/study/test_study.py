import json
from dataclasses import replace
from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.config.methods import METHODS
from safegrid.config.training import Lora
from safegrid.study import Study, cells, gathered, judges, lines, sources, trainings
from safegrid.study.grid import Cell, Model, one_of
from safegrid.study.trainings import launcher

ROOT = Path(__file__).parents[3] / "config"


@pytest.fixture
def config():
    return load_config(ROOT, "mini")


@pytest.fixture
def study(config):
    return Study(config)


def with_recipe(config, name, **changes):
    recipe = config.recipes[name]
    training = recipe.training.model_copy(update=changes.pop("training", {}))
    changed = recipe.model_copy(update={"training": training, **changes})
    return Study(replace(config, recipes={**config.recipes, name: changed}))


def with_entry(config, **changes):
    return Study(replace(config, study=config.study.model_copy(update=changes)))


def line_responses(study):
    found = lines.cells(study, "mini-base", "dpo", *lines.requests(study))
    return cells.all_answers(study, found)


def test_the_grid_is_the_base_and_every_recipe_on_every_benchmark(study):
    assert len(study.models) == 33
    assert study.models[0] == Model("mini-base", "none", 0)
    assert len(list(study.cells(study.config.benchmarks))) == 33 * 5
    files = gathered.all_scores(study)
    assert len(files) == len(set(files)) == 33 * 6
    assert "results/mini/scores/mini-base/none/seed0/global.parquet" in files


def test_a_recipe_may_have_seeds_of_its_own(config):
    seeded = with_recipe(config, "dpo", seeds=[3, 5])
    found = [
        (m.recipe, m.seed) for m in seeded.models if m.recipe[:3] in ("dpo", "nca")
    ]
    assert found == [
        *(("dpo@3", 3), ("dpo", 3), ("dpo@3", 5), ("dpo", 5)),
        *((name, seed) for seed in (0, 1, 2) for name in ("nca@3", "nca")),
    ]
    responses = line_responses(seeded)
    assert {path.split("/")[5] for path in responses} == {"seed0", "seed3", "seed5"}
    # What a training is given says nothing of the others.
    given = config.recipes["dpo"].model_dump_json()
    assert seeded.recipe("dpo").model_dump_json() == given


def test_a_compared_base_is_measured_and_not_trained(config):
    study = with_entry(config, compared=["tiny-base"])
    paths = [m.path for m in study.models if m.base == "tiny-base"]
    assert paths == ["tiny-base/none/seed0"]
    assert len(study.models) == 34


def test_one_process_needs_no_launcher_and_several_get_accelerates(config):
    assert launcher(config.recipes["dpo"]) == "python -m"
    four = with_recipe(config, "dpo", training={"processes": 4}).recipe("dpo")
    assert launcher(four) == "python -m safegrid.runtime.launch 4 copies"


def test_full_models_stand_alone_and_adapters_follow_their_parent(config):
    adapter = {"training": {"lora": Lora(r=4, lora_alpha=8)}}
    study = with_recipe(config, "nca", init_from="sft", **adapter)
    assert study.stack(Model("mini-base", "nca", 3)) == [
        "results/mini/models/mini-base/sft/seed3",
        "results/mini/models/mini-base/nca/seed3",
    ]
    parent = study.parent(Model("mini-base", "nca", 3))
    assert study.stack(parent) == ["results/mini/models/mini-base/sft/seed3"]
    assert trainings.reference(study, Model("mini-base", "nca", 3)) == [
        "results/mini/reference/mini-base/sft/seed3/safety.parquet"
    ]


def test_reference_values_are_shared_by_all_methods_that_need_them(study):
    files = {m.recipe: tuple(trainings.reference(study, m)) for m in study.trained}
    assert files.pop("orpo") == files.pop("sft") == ()
    assert len(set(files.values())) == 1
    wanting = [m.recipe for m in study.trained if trainings.kto_reference(study, m)]
    assert wanting == ["kto"]


def test_reference_values_are_computed_for_what_recipes_read(config):
    def needed(**parts):
        for name, (fraction, categories) in parts.items():
            changed = {"fraction": fraction, "categories": categories}
            recipe = config.recipes[name].model_copy(update=changed)
            config.recipes[name] = recipe
        asked = Study(config)
        base = Model("mini-base", "none", 0)
        found = trainings.subsets_read(asked, base, "safety")
        share = trainings.reference_share(asked, Model("mini-base", "dpo", 0))
        return json.loads(json.dumps(found)), share

    names = [n for n, r in config.recipes.items() if METHODS[r.method].reference]
    assert needed() == ([[1.0, None]], 1.0)
    part = needed(**{**dict.fromkeys(names, (0.25, None)), "dpo": (0.5, None)})
    # Fractions are nested.
    assert part == ([[0.5, None]], 0.5)
    part = needed(nca=(0.125, ["b", "a"]))
    assert part == ([[0.125, ["a", "b"]], [0.5, None]], 0.625)
    # A method without a reference reads none of it.
    assert needed(sft=(1.0, None))[1] == 0.625


def test_fluency_is_read_under_the_base_itself(study):
    assert judges.stack(study, "mini-fluency", "b") == ["results/bases/b"]
    assert judges.stack(study, "mini-guard", "b") == ["results/judges/mini-guard"]
    assert judges.stack(study, "refusal-rules", "b") == []
    assert judges.stack(study, "gpt-4o-correction", "b") == []
    assert judges.labelled_format(study, "refusal-rules") == "xstest_completions"


def test_models_are_asked_one_after_another_and_so_are_judges(study):
    order = [study.priorities[model] for model in study.models]
    assert order == list(range(33, 0, -1))
    first, second, *_ = study.config.judges
    assert 0 > judges.priority(study, first) > judges.priority(study, second)


def test_a_model_and_its_base_meet_on_the_same_benchmarks(study):
    model, base = Model("mini-base", "nca", 2), Model("mini-base", "none", 0)
    assert study.safety == ["alert", "alert_adversarial"]
    assert model.on(study.safety) == [Cell(model, name) for name in study.safety]
    assert [cell.untouched for cell in model.on(study.safety)] == base.on(study.safety)


def test_the_names_of_a_cell_are_a_param_without_a_path(study):
    model = Model("mini-base", "nca", 2)
    names = {"study": "mini", "base": "mini-base", "recipe": "nca", "seed": 2}
    cell = json.loads(cells.names(study, Cell(model, "alert")))
    assert cell == {**names, "benchmark": "alert"}


def test_a_wildcard_takes_known_names_only():
    assert one_of(["a.b", "c"]) == r"a\.b|c"
    assert one_of([]) == r"(?!)"


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"training": {"beta": 0.7, "learning_rate": 1.0}}, True),
        ({"training": {"per_device_train_batch_size": 8}}, False),
        ({"fraction": 0.5}, False),
    ],
)
def test_ktos_mismatched_values_follow_subset_and_micro_batch(config, changes, shared):
    before = trainings.kto_recipes(Study(config))
    after = trainings.kto_recipes(with_recipe(config, "kto", **changes))
    assert (before == after) is (before.keys() == after.keys()) is shared


def test_a_suite_reads_its_sources_files_and_the_rows_of_its_registry_tasks(config):
    suite = config.benchmarks["capability"]
    names = [*suite.tasks, "real_gsm8k", "real_bbh_snarks", "shipped"]
    changed = {"capability": suite.model_copy(update={"tasks": names})}
    study = Study(replace(config, benchmarks=changed))
    blocks = sources.task_blocks(study, "capability")
    assert list(blocks) == ["real_gsm8k", "real_bbh_snarks"]
    assert blocks["real_gsm8k"]["files"] == {
        "test": "results/raw/gsm8k/test.jsonl",
        "train": "results/raw/gsm8k/train.jsonl",
    }
    files = sources.task_files(study, "capability")
    assert files[0] == "results/raw/mini-tasks/mini_math.yaml"
    assert files[-1] == "results/raw/bbh/snarks.json"


def test_overlap_is_found_where_there_is_training_data(config, study):
    assert cells.overlap(study, ["alert"]) == ["results/mini/overlap/alert.json"]
    assert cells.overlap(with_entry(config, datasets={}), ["alert"]) == []


def test_what_the_bases_answered_covers_every_benchmark(study):
    files = gathered.base_answers(study)
    assert "results/mini/responses/mini-base/none/seed0/alert.parquet" in files
    assert "results/mini/capability/mini-base/none/seed0/capability.json" in files
    assert len(files) == len(study.config.benchmarks)


def test_a_line_runs_from_the_base_through_what_a_training_starts_from(config):
    training = {"checkpoints": [20]}
    study = with_recipe(config, "dpo", init_from="sft", training=training, seeds=[0])
    models = json.loads(lines.line(study, "mini-base", "dpo"))["models"]
    assert [(m["recipe"], m["place"], m["step"]) for m in models] == [
        ("none", 0, 0),
        ("sft", 1, 60),
        ("dpo@20", 2, 20),
        ("dpo", 3, 60),
    ]
    first, *_ = line_responses(study)
    assert first == "results/mini/responses/mini-base/none/seed0/alert.parquet"
    assert len(line_responses(study)) == 4 * 3
    assert len(lines.cells(study, "mini-base", "dpo", *study.suites)) == 4
    assert "results/mini/frontier/mini-base/dpo.parquet" in gathered.all_lines(study)
    assert len(gathered.all_lines(study)) == 12


def test_the_judges_of_lines_are_the_first_refusal_judge_and_another(config, study):
    judges = {"refused": "mini-refusal", "second": "mini-guard"}
    assert json.loads(lines.judges(study)) == judges
    asked = {
        name: spec.model_copy(update={"judges": list(own)})
        for name, spec in config.benchmarks.items()
        if (own := [j for j in spec.judges if j != "mini-guard"])
    }
    without = Study(replace(config, benchmarks=asked))
    assert json.loads(lines.judges(without))["second"] is None
    assert "toxicity" not in json.loads(lines.benchmarks(study))
