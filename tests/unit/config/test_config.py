import copy
import re
import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.config.options import check_options
from safegrid.core.errors import ConfigError

ROOT = Path(__file__).parents[3] / "config"


@pytest.fixture
def root(tmp_path):
    shutil.copytree(ROOT, tmp_path / "config")
    return tmp_path / "config"


def edit(root, change):
    """Change the study `tiny` and return its new text."""
    path = root / "studies" / "tiny.yaml"
    study = yaml.safe_load(path.read_text())
    change(study)
    path.write_text(yaml.safe_dump(study, sort_keys=False))


def add_entry(root, registry, name, entry):
    path = root / f"{registry}.yaml"
    known = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**known, name: entry}))


def message(root, name="tiny"):
    with pytest.raises(ConfigError) as caught:
        load_config(root, name)
    return str(caught.value)


GONE = object()
GLOBAL = {"like": "alert", "prompts": {"source": "tiny-alert", "file": "alert"}}
RECIPE = {"method": "dpo", "dataset": "safety"}
UNSMOOTHED = {"label_smoothing": 0}
ONE_PAIR = {"per_device_train_batch_size": 1}


def put(changes):
    """Return a change that puts values at dotted keys, or takes them away."""

    def change(study):
        for dotted, value in changes.items():
            *parents, key = dotted.split(".")
            block = study
            for parent in parents:
                block = block.setdefault(parent, {})
            block[key] = value
            if value is GONE:
                del block[key]

    return change


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": GONE}, "tiny.yaml:1: title: missing"),
        ({"seeds": [0, 0]}, "stands twice"),
        ({"seeds": [-1]}, "seeds.0: got -1"),
        ({"recipes.dpo.seeds": [1, 1]}, "recipes.dpo.seeds: got [1, 1]: a seed stands"),
        # Starts.
        ({"recipes.dpo.init_from": "ncaa"}, "did you mean 'nca'?"),
        (
            {"recipes.dpo.init_from": "nca", "recipes.nca.init_from": "dpo"},
            "starts from itself",
        ),
        (
            {"recipes.dpo.seeds": [0, 1, 2], "recipes.nca.init_from": "dpo"}
            | {"recipes.nca.seeds": [1, 2, 3, 4]},
            "recipes.nca.init_from: 'dpo' is not trained with seed 3, 4; add it to its",
        ),
        # Names that are taken, or cannot be folders.
        ({"recipes.a/b": RECIPE}, "recipes.a/b: got 'a/b': a name may hold letters"),
        ({"recipes.none": RECIPE}, "recipes.none: the name is taken by the base unt"),
        ({"benchmarks.global": GLOBAL}, "benchmarks.global: the name is taken"),
        # Benchmarks.
        ({"benchmarks.alert.judges": GONE}, "needs `prompts`, `decode` and `judges`"),
        (
            {"benchmarks.alert.judges": ["tiny-fluency"]},
            "metric 'safety' needs a judge of kind 'guard' or 'refusal'",
        ),
        (
            {"benchmarks.alert.prompts.file": "alerts"},
            "no file of source 'tiny-alert' of that name; did you mean",
        ),
        # Settings that make another method, or other reference values.
        *(
            (
                {"recipes.r": {**RECIPE, "method": method, "training": UNSMOOTHED}},
                named,
            )
            for method, named in (("rdpo", "rDPO"), ("exo", "EXO"))
        ),
        ({"recipes.dpo.training": {"label_smoothing": 0.1}}, "smoothing"),
        *(
            (
                {"recipes.r": {**RECIPE, "method": method, "training": ONE_PAIR}},
                "per_device_train_batch_size",
            )
            for method in ("aot", "aotp", "kto")
        ),
        (
            {"recipes.nca.training": {"precision": "bfloat16"}},
            "precision 'bfloat16' is not the study's 'float32'",
        ),
        # Engines.
        ({"engine": {"max_model_len": 64}}, "max_model_len: for kind 'vllm' only"),
        (
            {"engine": {"kind": "vllm", "gpu_memory_utilization": 1.5}},
            "gpu_memory_utilization",
        ),
        (
            {"engine": {"kind": "vllm", "extra_args": ["--tensor_parallel-size=2"]}},
            "--tensor-parallel-size has key `tensor_parallel_size`: remove it",
        ),
        (
            {"engine": {"kind": "vllm", "extra_args": ["--api-key", "secret"]}},
            "--api-key would show the key in the list of processes",
        ),
    ],
)
def test_what_is_wrong_in_a_study_is_told(root, changes, told):
    edit(root, put(changes))
    assert told in message(root)


@pytest.mark.parametrize("study", [p.stem for p in (ROOT / "studies").glob("*.yaml")])
def test_every_study_that_ships_is_valid(study):
    config = load_config(ROOT, study)
    assert config.study.name == study
    assert config.recipes


def test_real_text_of_a_world_comes_from_instructions_that_are_there(root):
    path = root / "worlds.yaml"
    worlds = yaml.safe_load(path.read_text())
    worlds["tiny"]["text"] = {
        "vocabulary": 400,
        "files": [
            {"source": "alpaca-seedz", "file": "seeds"},
            {"source": "alpaca-seeds", "file": "sedes"},
            {"source": "xstest", "file": "prompts"},
        ],
    }
    path.write_text(yaml.safe_dump(worlds))
    text = message(root)
    assert "got 'alpaca-seedz', no source of that name; did you mean" in text
    assert (
        "got 'sedes', no file of source 'alpaca-seeds' of that name; did you mean"
        in text
    )
    assert (
        "'xstest' is of format 'xstest', which holds no instructions with answers"
        in text
    )
    assert "worlds.yaml:" in text


def test_a_large_base_is_trained_with_an_adapter_unless_the_study_says_otherwise(root):
    add_entry(root, "bases", "large", {"n_params_b": 7})
    edit(root, lambda study: study.update(bases=["large"]))
    for recipe in load_config(root, "tiny").recipes.values():
        assert recipe.training.lora.r == 16
        assert recipe.training.precision == "bfloat16"
        assert recipe.training.gradient_checkpointing
    edit(root, lambda study: study["training"].update(lora=None, precision="float32"))
    for recipe in load_config(root, "tiny").recipes.values():
        assert recipe.training.lora is None
        assert recipe.training.precision == "float32"
    edit(root, lambda study: study.update(bases=["tiny-base"]))
    edit(root, lambda study: study["training"].pop("lora"))
    assert load_config(root, "tiny").recipes["dpo"].training.lora is None


@pytest.mark.parametrize(
    "targets", [["embed_tokens"], ["q_proj", "model.embed_tokens"], []]
)
def test_an_adapter_at_the_embedding_of_a_grown_base_is_refused(root, targets):
    """It is the base's head too; a reward model has another head."""
    lora = {"r": 2, "lora_alpha": 4, "target_modules": targets}
    reward = {"method": "reward", "dataset": "safety", "training": {"lora": lora}}
    dpo = {**reward, "method": "dpo"}
    edit(root, lambda study: study.update(recipes={"r": reward, "d": dpo}))
    text = message(root)
    if not targets:
        assert "target_modules" in text
        assert "at least 1 item" in text
        return
    assert "recipes.d.training" in text
    assert "tiny-base has one weight for it and for lm_head" in text
    assert "recipes.r" not in text


def test_an_adapter_behind_vllm_is_refused_with_what_to_do(root):
    lora = {"r": 2, "lora_alpha": 4}
    adapted = {"method": "dpo", "dataset": "safety", "training": {"lora": lora}}
    full = {"method": "dpo", "dataset": "safety"}

    def spoil(study):
        study.update(engine={"kind": "vllm"}, recipes={"a": adapted, "f": full})

    edit(root, spoil)
    text = message(root)
    assert "recipes.a.training.lora: an engine of kind 'vllm'" in text
    assert "`safegrid merge --study tiny --model tiny-base/a/seed0 --out" in text
    assert "recipes.f" not in text
    edit(root, lambda study: study.update(engines={"tiny-base": {"kind": "safegrid"}}))
    assert load_config(root, "tiny").recipes["a"].training.lora.r == 2


def test_a_source_must_hold_what_is_taken_from_it(root):
    mine = {"source": "my-pairs", "keep": "exactly_one_safe", "max_length": 9}
    wrong = {
        "datasets.safety.source": "tiny-alert",
        "datasets.safety.file": "alert",
        "datasets.mine": mine,
        "benchmarks.xstest.prompts.source": "tiny-alert",
        "benchmarks.xstest.prompts.file": "alert",
    }
    edit(root, put(wrong))
    files = {"format": "pairs_csv", "files": {"train": "a.csv"}}
    add_entry(root, "sources", "my-pairs", {**files, "licence": "a", "content": "b"})
    text = message(root)
    for expected in (
        "'tiny-alert' is of format 'alert', which holds no training rows",
        "datasets.mine.keep: is for sources of format 'pku'",
        "'xstest' reads sources of format 'xstest', and this one is 'alert'; kinds for"
        " it: alert, alert_adversarial",
    ):
        assert expected in text
    assert "3 problems" in text


def test_a_task_of_the_registry_must_name_rows_that_are_known(root):
    edit(root, put({"benchmarks.capability.tasks": ["real_gsm8k", "real_ifeval"]}))
    path = root / "tasks.yaml"
    text = path.read_text().replace("source: gsm8k", "source: gsm9k")
    path.write_text(text.replace("{train: input_data}", "{train: inputs}"))
    told = message(root)
    assert "'gsm9k', no source of that name; did you mean 'gsm8k'?" in told
    assert "real_ifeval.files.train: got 'inputs', no file of source 'ifeval'" in told


def test_all_errors_come_in_one_message(root):
    wrong = {
        "recipes.dpo.method": "dbo",
        "recipes.nca.dataset": "safty",
        "benchmarks.alert.judges": ["tiny-gard"],
        "benchmarks.xstets": {},
        "training.learning_rat": 1,
        "bases": ["tiny-bass"],
        "most_unscored": 2,
    }
    edit(root, put(wrong))
    text = message(root)
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


def test_an_old_key_is_told_its_new_name_where_it_was_allowed(root):
    old = {
        "training.warmup": 0.1,
        "training.lora": {"r": 2, "alpha": 4},
        "recipes.dpo.start": "nca",
        "engine": {"most": 1, "start": "now"},
    }
    edit(root, put(old))
    text = message(root)
    assert "training.warmup: renamed to `warmup_ratio`" in text
    assert "lora.alpha: renamed to `lora_alpha`" in text
    assert "recipes.dpo.start: renamed to `init_from`" in text
    assert "engine.most: renamed to `max_engines`" in text
    assert "engine.start: unknown key" in text


def test_an_unknown_study_names_the_known_ones(root):
    assert "did you mean 'mini'?" in message(root, "minni")


def test_the_line_of_a_wrong_value_is_told(root):
    path = root / "studies" / "tiny.yaml"
    lines = path.read_text().splitlines()
    number = next(
        i for i, line in enumerate(lines) if "per_device_train_batch_size" in line
    )
    lines[number] = "  per_device_train_batch_size: '0,1'"
    path.write_text("\n".join(lines))
    assert f"tiny.yaml:{number + 1}: recipes" not in message(root)
    assert "per_device_train_batch_size: got '0,1'" in message(root)


def test_a_key_that_stands_twice_is_refused(root):
    path = root / "studies" / "tiny.yaml"
    path.write_text(path.read_text() + "\nseed: 2\n")
    assert "seed: stands twice, first on line" in message(root)


def test_broken_yaml_names_its_line(root):
    (root / "judges.yaml").write_text("a: [1\nb: 2\n")
    assert "judges.yaml:2: syntax: not readable as YAML" in message(root)


def test_bytes_that_are_no_text_are_refused(root):
    (root / "sources.yaml").write_bytes(b"a: \xff\xfe")
    assert "sources.yaml:1: file: not UTF-8" in message(root)


def test_the_more_special_setting_wins(root):
    edit(root, put({"training.beta": 0.3, "recipes.nca.training.beta": 0.7}))
    recipes = load_config(root, "tiny").recipes
    assert recipes["dpo"].training.beta == 0.3
    assert recipes["nca"].training.beta == 0.7


def test_a_sweep_makes_one_recipe_for_each_point(root):
    sweep = {"learning_rate": [1e-4, 1e-3], "beta": [0.1, 0.5]}
    edit(root, put({"sweep": sweep, "recipes.sft": {**RECIPE, "method": "sft"}}))
    recipes = load_config(root, "tiny").recipes
    assert [name for name in recipes if name.startswith("dpo")] == [
        "dpo-lr0.0001-beta0.1",
        "dpo-lr0.0001-beta0.5",
        "dpo-lr0.001-beta0.1",
        "dpo-lr0.001-beta0.5",
    ]
    assert len([name for name in recipes if name.startswith("sft")]) == 2


def test_labelled_rows_of_an_unknown_source_are_refused(root):
    path = root / "judges.yaml"
    path.write_text(path.read_text().replace("mini-judging", "mini-judgin"))
    assert "'mini-judgin', no source of that name; did you mean" in message(root)


def test_what_fluency_has_replaced_is_named(root):
    edit(root, lambda study: study["benchmarks"]["alert"].update(off_language=0.01))
    assert "`off_language` is no key any more: remove it" in message(root)
    add_entry(root, "judges", "odd", {"kind": "likelihood"})
    assert "kind 'likelihood' is no kind any more: say 'fluency'" in message(root)


def test_fluency_needs_fluent_texts_to_fix_its_threshold_on(root):
    add_entry(root, "judges", "bare", {"kind": "fluency"})
    edit(root, lambda study: study["benchmarks"]["alert"]["judges"].append("bare"))
    load_config(root, "tiny")
    edit(root, put(dict.fromkeys(("datasets", "training", "recipes"), GONE)))
    found = message(root)
    assert "benchmarks.alert.judges: 'bare' has no fluent texts to fix its" in found
    assert "tiny-fluency" not in found


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("methods.yaml", "dpo: {", "dbo: {", ": dbo: got 'dbo', no method"),
        (
            "benchmarks.yaml",
            "  metric: toxicity",
            "  metrik: toxicity",
            "mean 'metric'?",
        ),
        (
            "benchmarks.yaml",
            "alert:\n",
            "alert:\n  task_source: gone\n",
            "'gone', no so",
        ),
        ("bases.yaml", "world: mini", "world: minni", "no world of that name; did"),
        ("tuned/mini.yaml", "  nca:\n", "  ncaa:\n", "'nca' of recipe 'nca' has no"),
        ("tuned/mini.yaml", "chosen:\n", "chosen:\n  dbo: {}\n", "'dbo', no method"),
    ],
)
def test_registries_are_checked_whole(root, file, old, new, told):
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert message(root, "mini").count(told) == 1


def test_a_wrong_key_of_tuned_settings_is_told_in_its_own_file(root):
    path = root / "tuned" / "mini.yaml"
    path.write_text(path.read_text().replace("    beta: ", "    betta: ", 1))
    assert "tuned/mini.yaml:" in message(root, "mini")
    assert "did you mean 'beta'?" in message(root, "mini")


def test_an_option_that_nothing_reads_is_refused():
    assert check_options({"study": "tiny"}, [], ROOT).study == "tiny"
    with pytest.raises(ConfigError, match="'stud', no key of that name; did you mean"):
        check_options({"stud": "tiny"}, [], ROOT)


def test_rows_without_labels_are_refused_as_labelled(root):
    path = root / "judges.yaml"
    text = path.read_text().replace("mini-judging", "mini-xstest")
    path.write_text(text.replace("toxicity_test", "dev"))
    assert "source 'mini-xstest' is of format 'xstest'; a judge of" in message(root)


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("reward", {}, "reward_pairs"),
        ("reference", {"method": "rules", "compare": "bleu"}, "no format: it gives no"),
        ("fluency", {}, "labelled or xstest_completions"),
    ],
)
def test_a_judge_is_measured_on_rows_that_fit_its_kind(root, kind, more, expected):
    source, file = "tiny-judging", "guard_test"
    if kind == "fluency":
        source, file = "tiny-xstest", "dev"
    rows = {"labelled_source": source, "labelled_file": file}
    add_entry(root, "judges", "odd", {"kind": kind, **more, **rows})
    assert f"kind '{kind}' has labelled rows of {expected}" in message(root)


def test_rules_judge_refusals_only(root):
    path = root / "judges.yaml"
    path.write_text(
        path.read_text().replace("kind: guard", "kind: guard\n  method: rules")
    )
    assert "'rules' is for kinds 'refusal' and 'reference', not 'guard'" in message(
        root
    )


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
        ({"kind": "fluency"}, "method 'file' is for kinds 'guard', 'reward'"),
        ({"kind": "refusal"}, "kind 'refusal' needs `classes`"),
        ({"safe": "unsafe"}, "are the same word 'unsafe'"),
        ({"verdicts_source": "tolld"}, "no source of that name; did you mean 'told'"),
        ({"verdicts_file": "label"}, "no file of source 'told' of that name"),
        (
            {"verdicts_source": "mini-xstest", "verdicts_file": "dev"},
            "no verdicts from",
        ),
        (
            {"labelled_source": "told", "labelled_file": "labels"},
            "judges no other rows",
        ),
        ({"recipe": "dpo"}, "needs kind 'reward' and method 'model'"),
    ],
)
def test_a_judge_by_file_has_verdicts_and_nothing_of_a_model(root, change, told):
    add_entry(root, "sources", "told", TOLD)
    add_entry(root, "judges", "people", BY_FILE)
    load_config(root, "mini")
    add_entry(root, "judges", "people", BY_FILE | change)
    assert told in message(root)


@pytest.mark.parametrize(
    ("judge", "right"),
    [("people", True), ("mini-guard", False), ("mini-toxicity", False)],
)
def test_the_best_of_k_are_picked_by_a_score_of_how_good_they_are(root, judge, right):
    prompts = {"source": "mini-alert", "file": "alert", "kind": "alert"}
    decode = {"max_new_tokens": 8, "temperature": 1.0, "samples": 4}
    made = {"recipe": "none", "prompts": prompts, "judge": judge, "decode": decode}
    add_entry(root, "sources", "told", TOLD)
    add_entry(root, "judges", "people", BY_FILE | {"kind": "reward"})
    edit(root, put({"datasets.raft": {"best_of_k": made, "max_length": 160}}))
    if right:
        load_config(root, "tiny")
    else:
        assert "whose highest score is not the best answer's" in message(root)


def _paths(value, path=()):
    """Give the way to everything that stands in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from _paths(child, (*path, key))


@pytest.mark.parametrize("study", ["tiny", "safe-to-serve-mini"])
def test_a_value_of_another_type_is_told_wherever_it_stands(root, study):
    file = root / f"studies/{study}.yaml"
    written = yaml.safe_load(file.read_text())
    for number, path in enumerate(list(_paths(written))[::9]):
        changed = copy.deepcopy(written)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = [{"a": 1}] if number % 2 else {"a": [1]}
        file.write_text(yaml.safe_dump(changed))
        with pytest.raises(ConfigError, match=re.escape(str(path[0]))):
            load_config(root, study)
