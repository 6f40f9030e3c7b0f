from pathlib import Path

import pytest

from safegrid.config.load import load_config

CONFIG = Path(__file__).parents[3] / "config"
GLOBAL = {"like": "alert", "prompts": {"source": "tiny-alert", "file": "alert"}}
RECIPE = {"method": "dpo", "dataset": "safety"}
LORA = {"r": 2, "lora_alpha": 4}
CIRCLE = {"recipes.dpo.init_from": "nca", "recipes.nca.init_from": "dpo"}
SEEDED = {"recipes.dpo.seeds": [0, 1, 2], "recipes.nca.init_from": "dpo"}
UNSMOOTHED = {**RECIPE, "method": "rdpo", "training": {"label_smoothing": 0}}
ONE_PAIR = {**RECIPE, "method": "kto", "training": {"per_device_train_batch_size": 1}}
VLLM = {"kind": "vllm"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": ...}, "tiny.yaml:1: title: missing"),
        ({"seeds": [0, 0]}, "stands twice"),
        ({"seeds": [-1]}, "seeds.0: got -1"),
        ({"recipes.dpo.seeds": [1, 1]}, "recipes.dpo.seeds: got [1, 1]: a seed stands"),
        # Starts.
        ({"recipes.dpo.init_from": "ncaa"}, "did you mean 'nca'?"),
        (CIRCLE, "starts from itself"),
        (
            {**SEEDED, "recipes.nca.seeds": [1, 2, 3, 4]},
            "recipes.nca.init_from: 'dpo' is not trained with seed 3, 4; add it to its",
        ),
        # Names that are taken, or cannot be folders.
        ({"recipes.a/b": RECIPE}, "recipes.a/b: got 'a/b': a name may hold letters"),
        ({"recipes.none": RECIPE}, "recipes.none: the name is taken by the base unt"),
        ({"benchmarks.global": GLOBAL}, "benchmarks.global: the name is taken"),
        # Benchmarks.
        ({"benchmarks.alert.judges": ...}, "needs `prompts`, `decode` and `judges`"),
        (
            {"benchmarks.alert.judges": ["tiny-fluency"]},
            "metric 'safety' needs a judge of kind 'guard' or 'refusal'",
        ),
        ({"benchmarks.alert.prompts.file": "alerts"}, "no file of source 'tiny-alert'"),
        (
            {"benchmarks.alert.off_language": 0.01},
            "`off_language` is no key any more: remove it",
        ),
        # Settings that make another method, or other reference values.
        ({"recipes.r": UNSMOOTHED}, "rDPO"),
        ({"recipes.r": ONE_PAIR}, "per_device_train_batch_size"),
        ({"recipes.dpo.training": {"label_smoothing": 0.1}}, "smoothing"),
        (
            {"recipes.nca.training": {"precision": "bfloat16"}},
            "precision 'bfloat16' is not the study's 'float32'",
        ),
        # Engines.
        ({"engine": {"max_model_len": 64}}, "max_model_len: for kind 'vllm' only"),
        ({"engine": {**VLLM, "gpu_memory_utilization": 1.5}}, "gpu_memory_utilization"),
        (
            {"engine": {**VLLM, "extra_args": ["--tensor_parallel-size=2"]}},
            "--tensor-parallel-size has key `tensor_parallel_size`: remove it",
        ),
        (
            {"engine": {**VLLM, "extra_args": ["--api-key", "secret"]}},
            "--api-key would show the key in the list of processes",
        ),
        # Old names, where the new ones are allowed.
        ({"training.warmup": 0.1}, "training.warmup: renamed to `warmup_ratio`"),
        ({"training.lora": {"alpha": 4}}, "lora.alpha: renamed to `lora_alpha`"),
        ({"recipes.dpo.start": "nca"}, "recipes.dpo.start: renamed to `init_from`"),
        ({"engine": {"most": 1}}, "engine.most: renamed to `max_engines`"),
        ({"engine": {"start": "now"}}, "engine.start: unknown key"),
    ],
)
def test_what_is_wrong_in_a_study_is_told(copy, changes, told):
    copy.study(changes)
    assert told in copy.message()


STUDIES = [path.stem for path in (CONFIG / "studies").glob("*.yaml")]


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_that_ships_is_valid(study):
    config = load_config(CONFIG, study)
    assert config.study.name == study
    assert config.recipes


def test_real_text_of_a_world_comes_from_instructions_that_are_there(copy):
    files = [
        {"source": "alpaca-seedz", "file": "seeds"},
        {"source": "alpaca-seeds", "file": "sedes"},
        {"source": "xstest", "file": "prompts"},
    ]
    copy.put("worlds", {"tiny.text": {"vocabulary": 400, "files": files}})
    text = copy.message()
    assert "got 'alpaca-seedz', no source of that name; did you mean" in text
    assert "got 'sedes', no file of source 'alpaca-seeds' of that name" in text
    assert "'xstest', which holds no instructions with answers" in text
    assert "worlds.yaml:" in text


def test_a_large_base_is_trained_with_an_adapter_unless_the_study_says_otherwise(copy):
    copy.put("bases", {"large": {"n_params_b": 7}})
    copy.study({"bases": ["large"]})
    for recipe in copy.load().recipes.values():
        assert recipe.training.lora.r == 16
        assert recipe.training.precision == "bfloat16"
        assert recipe.training.gradient_checkpointing
    copy.study({"training.lora": None, "training.precision": "float32"})
    for recipe in copy.load().recipes.values():
        assert recipe.training.lora is None
        assert recipe.training.precision == "float32"
    copy.study({"bases": ["tiny-base"], "training.lora": ...})
    assert copy.load().recipes["dpo"].training.lora is None


@pytest.mark.parametrize("targets", [["embed_tokens"], ["q_proj", "a.embed_tokens"]])
def test_an_adapter_at_the_embedding_of_a_grown_base_is_refused(copy, targets):
    """It is the base's head too; a reward model has another head."""
    dpo = {**RECIPE, "training": {"lora": {**LORA, "target_modules": targets}}}
    copy.study({"recipes": {"r": {**dpo, "method": "reward"}, "d": dpo}})
    text = copy.message()
    assert "recipes.d.training" in text
    assert "tiny-base has one weight for it and for lm_head" in text
    assert "recipes.r" not in text


def test_an_adapter_behind_vllm_is_refused_with_what_to_do(copy):
    adapted = {**RECIPE, "training": {"lora": LORA}}
    copy.study({"engine": VLLM, "recipes": {"a": adapted, "f": RECIPE}})
    text = copy.message()
    assert "recipes.a.training.lora: an engine of kind 'vllm'" in text
    assert "`safegrid merge --study tiny --model tiny-base/a/seed0 --out" in text
    assert "recipes.f" not in text
    copy.study({"engines": {"tiny-base": {"kind": "safegrid"}}})
    assert copy.load().recipes["a"].training.lora.r == 2


def test_a_source_must_hold_what_is_taken_from_it(copy):
    mine = {"source": "my-pairs", "keep": "exactly_one_safe", "max_length": 9}
    alert = {"source": "tiny-alert", "file": "alert"}
    safety = {"datasets.safety.source": "tiny-alert", "datasets.safety.file": "alert"}
    xstest = {f"benchmarks.xstest.prompts.{key}": at for key, at in alert.items()}
    copy.study({**safety, "datasets.mine": mine, **xstest})
    rows = {"format": "pairs_csv", "files": {"train": "a.csv"}}
    copy.put("sources", {"my-pairs": {**rows, "licence": "a", "content": "b"}})
    text = copy.message()
    for expected in (
        "'tiny-alert' is of format 'alert', which holds no training rows",
        "datasets.mine.keep: is for sources of format 'pku'",
        "'xstest' reads sources of format 'xstest', and this one is 'alert'; kinds for"
        " it: alert, alert_adversarial",
    ):
        assert expected in text
    assert "3 problems" in text


def test_a_base_of_a_world_is_one_that_the_world_builds(copy):
    shape = {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 32}
    shape |= {"steps": 9, "batch": 8, "learning_rate": 1e-3}
    copy.put("bases", {"tiny-large": {"world": "tiny"}})
    copy.study({"bases": ["tiny-base", "tiny-large"]})
    told = copy.message()
    assert "tiny-large.world: world 'tiny' builds tiny-base, and no tiny-large" in told
    copy.put("worlds", {"tiny.sizes": {"large": shape}})
    world = copy.load().worlds["tiny"]
    assert world.bases["tiny-large"].hidden == 32
    # What other jobs are given does not depend on it.
    assert "sizes" not in world.model_dump()
    copy.put("worlds", {"tiny.sizes": {"base": shape}})
    assert "`base` stands beside `sizes`" in copy.message()


def test_a_task_of_the_registry_must_name_rows_that_are_known(copy):
    copy.study({"benchmarks.capability.tasks": ["real_gsm8k", "real_ifeval"]})
    copy.replace("tasks", "source: gsm8k", "source: gsm9k")
    copy.replace("tasks", "{train: input_data}", "{train: inputs}")
    told = copy.message()
    assert "'gsm9k', no source of that name; did you mean 'gsm8k'?" in told
    assert "real_ifeval.files.train: got 'inputs', no file of source 'ifeval'" in told


def test_all_errors_come_in_one_message(copy):
    wrong = {
        "recipes.dpo.method": "dbo",
        "recipes.nca.dataset": "safty",
        "benchmarks.alert.judges": ["tiny-gard"],
        "benchmarks.xstets": {},
        "training.learning_rat": 1,
        "bases": ["tiny-bass"],
        "most_unscored": 2,
    }
    copy.study(wrong)
    text = copy.message()
    for expected in (
        "'dbo', no method of that name; did you mean 'dpo'?",
        "'safty', no dataset of that name; did you mean 'safety'?",
        "'tiny-gard', no judge of that name; did you mean 'tiny-guard'?",
        "'xstets', no benchmark of that name; did you mean 'xstest'?",
        "unknown key; did you mean 'learning_rate'?",
        "'tiny-bass', no base of that name; did you mean 'tiny-base'?",
        "most_unscored: got 2",
    ):
        assert expected in text
    assert "nothing was started" in text


def test_an_unknown_study_names_the_known_ones(copy):
    assert "did you mean 'mini'?" in copy.message("minni")


def test_the_line_of_a_wrong_value_is_told(copy):
    path, key = copy.root / "studies/tiny.yaml", "per_device_train_batch_size"
    lines = path.read_text().splitlines()
    number = next(i for i, line in enumerate(lines) if key in line)
    lines[number] = f"  {key}: '0,1'"
    path.write_text("\n".join(lines))
    told = f"tiny.yaml:{number + 1}: training.{key}: got '0,1': must be a whole number"
    assert told in copy.message()


def test_the_more_special_setting_wins(copy):
    copy.study({"training.beta": 0.3, "recipes.nca.training.beta": 0.7})
    recipes = copy.load().recipes
    assert recipes["dpo"].training.beta == 0.3
    assert recipes["nca"].training.beta == 0.7


def test_a_sweep_makes_one_recipe_for_each_point(copy):
    sweep = {"learning_rate": [1e-4, 1e-3], "beta": [0.1, 0.5]}
    copy.study({"sweep": sweep, "recipes.sft": {**RECIPE, "method": "sft"}})
    recipes = copy.load().recipes
    assert [name for name in recipes if name.startswith("dpo")] == [
        "dpo-lr0.0001-beta0.1",
        "dpo-lr0.0001-beta0.5",
        "dpo-lr0.001-beta0.1",
        "dpo-lr0.001-beta0.5",
    ]
    assert len([name for name in recipes if name.startswith("sft")]) == 2


def test_fluency_needs_fluent_texts_to_fix_its_threshold_on(copy):
    copy.put("judges", {"bare": {"kind": "fluency"}})
    copy.study({"benchmarks.alert.judges": ["tiny-guard", "tiny-fluency", "bare"]})
    copy.load()
    copy.study(dict.fromkeys(("datasets", "training", "recipes"), ...))
    found = copy.message()
    assert "benchmarks.alert.judges: 'bare' has no fluent texts to fix its" in found
    assert "tiny-fluency" not in found


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("methods", "dpo: {", "dbo: {", ": dbo: got 'dbo', no method"),
        ("benchmarks", "  metric: toxicity", "  metrik: toxicity", "mean 'metric'?"),
        ("benchmarks", "alert:\n", "alert:\n  task_source: gone\n", "'gone', no so"),
        ("bases", "world: mini", "world: minni", "no world of that name; did"),
        (
            "judges",
            "kind: guard",
            "kind: likelihood",
            "is no kind any more",
        ),
        ("tuned/mini", "  nca:\n", "  ncaa:\n", "'nca' of recipe 'nca' has no"),
        ("tuned/mini", "chosen:\n", "chosen:\n  dbo: {}\n", "'dbo', no method"),
        ("tuned/mini", "    beta: ", "    betta: ", "did you mean 'beta'?"),
    ],
)
def test_registries_are_checked_whole(copy, file, old, new, told):
    copy.replace(file, old, new)
    text = copy.message("mini")
    assert text.count(told) == 1
    assert f"{file}.yaml:" in text


@pytest.mark.parametrize(
    ("judge", "source", "file", "expected"),
    [
        ({"kind": "reward"}, "tiny-judging", "guard_test", "reward_pairs"),
        ({"kind": "toxicity"}, "tiny-xstest", "dev", "labelled"),
        (
            {"kind": "reference", "method": "rules", "compare": "bleu"},
            *("tiny-judging", "guard_test"),
            "no format: it gives no",
        ),
        ({"kind": "fluency"}, "tiny-xstest", "dev", "labelled or xstest_completions"),
    ],
)
def test_a_judge_is_measured_on_rows_that_fit_its_kind(
    copy, judge, source, file, expected
):
    rows = {"labelled_source": source, "labelled_file": file}
    copy.put("judges", {"odd": {**judge, **rows}})
    told = f"kind '{judge['kind']}' has labelled rows of {expected}"
    assert told in copy.message()


BY_FILE = {
    "kind": "guard",
    "method": "file",
    "verdicts_source": "told",
    "verdicts_file": "labels",
}
TOLD = {
    "format": "verdicts",
    "files": {"labels": "labels.csv"},
    "licence": "MIT",
    "content": "what people said",
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdicts_file": None}, "needs `verdicts_source` and `verdicts_file`"),
        ({"method": "model"}, "`verdicts_source` is for method 'file'"),
        ({"method": "rules"}, "'rules' is for kinds 'refusal' and 'reference', not"),
        ({"kind": "fluency"}, "method 'file' is for kinds 'guard', 'reward'"),
        ({"kind": "refusal"}, "kind 'refusal' needs `classes`"),
        ({"safe": "unsafe"}, "are the same word 'unsafe'"),
        ({"verdicts_source": "tolld"}, "no source of that name; did you mean 'told'"),
        ({"verdicts_file": "label"}, "no file of source 'told' of that name"),
        (
            {"verdicts_source": "mini-xstest", "verdicts_file": "dev"},
            "no verdicts from",
        ),
        ({"labelled_source": "told"}, "judges no other rows"),
        ({"recipe": "dpo"}, "needs kind 'reward' and method 'model'"),
    ],
)
def test_a_judge_by_file_has_verdicts_and_nothing_of_a_model(copy, change, told):
    copy.put("sources", {"told": TOLD})
    copy.put("judges", {"people": BY_FILE})
    copy.load("mini")
    copy.put("judges", {"people": BY_FILE | change})
    assert told in copy.message()


def test_the_best_of_k_are_picked_by_a_score_of_how_good_they_are(copy):
    made = {
        "recipe": "none",
        "prompts": {"source": "mini-alert", "file": "alert", "kind": "alert"},
        "judge": "people",
        "decode": {"max_new_tokens": 8, "temperature": 1.0, "samples": 4},
    }
    copy.put("sources", {"told": TOLD})
    copy.put("judges", {"people": BY_FILE | {"kind": "reward"}})
    copy.study({"datasets.raft": {"best_of_k": made, "max_length": 160}})
    copy.load()
    for judge in ("mini-guard", "mini-toxicity"):
        copy.study({"datasets.raft.best_of_k.judge": judge})
        assert "whose highest score is not the best answer's" in copy.message()
