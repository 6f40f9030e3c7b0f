"""Models that are kept along a training: names, places in the grid, refusals."""

import pytest

from safegrid.config.training import split_dose
from safegrid.core.errors import ConfigError
from safegrid.study import cells, gathered, trainings
from safegrid.study.grid import Cell, Model
from safegrid.study.selection import Selection

LORA = {"r": 2, "lora_alpha": 4}
FOLDER = "results/tiny/models/tiny-base"


def keeping(*steps, recipe=None, **more):
    """Keep checkpoints in every recipe of the study (4 steps), or in one."""

    def change(entry):
        if recipe is None:
            entry["training"] |= {"checkpoints": list(steps), **more}
        else:
            own = {"checkpoints": list(steps), **more}
            entry["recipes"][recipe]["training"] = own

    return change


def adding(name, **block):
    def change(entry):
        entry["recipes"][name] = {"method": "dpo", "dataset": "safety", **block}

    return change


def made_by(recipe):
    def change(entry):
        prompts = {"source": "tiny-safety", "file": "train", "kind": "instructions"}
        entry["datasets"]["best"] = {
            "max_length": 160,
            "best_of_k": {
                "recipe": recipe,
                "prompts": {**prompts, "limit": 4},
                "decode": {"max_new_tokens": 8, "temperature": 1.0, "samples": 2},
                "judge": "tiny-reward",
            },
        }
        entry["recipes"]["raft"] = {"method": "sft", "dataset": "best"}

    return change


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nca@10", ("nca", 10)),
        ("nca", ("nca", None)),
        ("nca@010", ("nca@010", None)),
        ("nca@1@2", ("nca@1@2", None)),
    ],
)
def test_a_name_is_taken_apart(name, parts):
    model = Model("b", name, 0)
    assert split_dose(name) == (model.trained_as, model.dose) == parts
    assert model.path == f"b/{name}/seed0"


def test_doses_are_models_of_the_grid_before_their_end(load_tiny):
    study = load_tiny(keeping(1, 3, 4), keeping(2, recipe="nca"))
    names = [model.recipe for model in study.models]
    assert names == ["none", "dpo@1", "dpo@3", "dpo", "nca@2", "nca"]
    assert [model.recipe for model in study.trained] == ["dpo", "nca"]
    assert study.recipe_names == names
    folders = [f"{FOLDER}/{name}/seed0" for name in names[1:]]
    assert gathered.all_models(study) == folders
    assert gathered.all_trainings(study) == [folders[2], folders[4]]
    score = "results/tiny/scores/tiny-base/dpo@3/seed0/alert.parquet"
    assert score in gathered.all_scores(study)
    assert trainings.kept_at(study) == {(): [], (1, 3): ["dpo"], (2,): ["nca"]}


def test_a_recipe_may_keep_none_of_the_shared_ones(load_tiny):
    study = load_tiny(keeping(1), keeping(recipe="nca"))
    assert study.recipe_names == ["none", "dpo@1", "dpo", "nca"]
    assert trainings.kept_at(study) == {(): ["nca"], (1,): ["dpo"]}


def test_checkpoints_change_nothing_that_a_training_is_given(load_tiny):
    """So a training whose list grows shorter is not run again."""
    plain, two = (load_tiny(*c).recipe("dpo") for c in ((), (keeping(1, 2),)))
    assert plain.model_dump_json() == two.model_dump_json()


def test_a_dose_is_a_chain_of_its_own_that_others_start_from(load_tiny):
    study = load_tiny(keeping(1, lora=LORA), adding("more", init_from="dpo@1"))
    more = Model("tiny-base", "more", 0)
    assert study.parent(more) == Model("tiny-base", "dpo@1", 0)
    assert study.stack(study.parent(more)) == [
        "results/bases/tiny-base",
        f"{FOLDER}/dpo@1/seed0",
    ]
    stack = study.stack(Model("tiny-base", "more@1", 0))
    assert stack == [*study.stack(study.parent(more)), f"{FOLDER}/more@1/seed0"]
    (reference,) = trainings.reference(study, more)
    assert reference.startswith("results/tiny/reference/tiny-base/dpo@1/seed0/")


def test_a_dataset_may_be_made_by_a_dose(load_tiny):
    study = load_tiny(keeping(2, recipe="dpo"), made_by("dpo@2"))
    maker = Model("tiny-base", "dpo@2", 0)
    assert study.maker("best", "tiny-base", 0) == maker
    assert cells.pools_of(study, maker) == [Cell(maker, "best")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([keeping(2, 6)], "`checkpoints` names step 6, and the training ends after 4"),
        ([keeping(3, 2)], "steps must stand in order, each one once"),
        ([keeping(2, 2)], "steps must stand in order, each one once"),
        (
            [keeping(1), lambda entry: entry.update(sweep={"learning_rate": [1e-4]})],
            "a sweep study keeps no checkpoints",
        ),
        (
            [keeping(1), adding("own", method="reward")],
            "a model of method 'reward' gives no answers, so its checkpoints",
        ),
        (
            [keeping(2, recipe="nca"), adding("more", init_from="nca@3")],
            "recipes.more.init_from: got 'nca@3', and 'nca' keeps no checkpoint at"
            " step 3 (kept: 2); add it",
        ),
        (
            [keeping(2, 4), adding("more", init_from="nca@4")],
            "got 'nca@4': step 4 is the end of that training, whose model is named"
            " 'nca'",
        ),
        (
            [made_by("nca@9")],
            "datasets.best.best_of_k.recipe: got 'nca@9': 'nca' is trained for 4 steps",
        ),
        ([keeping(1), adding("more", init_from="more@1")], "it starts from itself"),
        ([adding("more@1")], "a name may hold letters"),
    ],
)
def test_what_is_wrong_with_checkpoints_is_told_before_any_job(
    load_tiny, changes, words
):
    with pytest.raises(ConfigError) as caught:
        load_tiny(*changes)
    assert words in str(caught.value)
    assert "nothing was started" in str(caught.value)


def test_a_judge_is_the_end_of_a_recipe(load_tiny, tmp_path):
    path = tmp_path / "config/judges.yaml"
    text = path.read_text()
    own = "own: {kind: reward, method: model, recipe: reward@1}\n"
    path.write_text(f"{text}\n{own}")

    def judged(entry):
        entry["benchmarks"]["alert"]["judges"].append("own")

    said = r"own\.recipe: got 'reward@1', no recipe of that name; did you mean 'reward'"
    with pytest.raises(ConfigError, match=said):
        load_tiny(adding("reward", method="reward"), judged)


def test_where_epochs_count_the_steps_are_not_known_yet(load_tiny):
    def by_epochs(entry):
        del entry["training"]["max_steps"]
        entry["training"] |= {"num_train_epochs": 1.0, "checkpoints": [500]}

    assert "nca@500" in load_tiny(by_epochs).recipe_names


def test_cells_are_selected_by_the_name_of_a_dose(load_tiny):
    study = load_tiny(keeping(2, 4))
    cell = Selection(study, {"recipe": "nca@2", "benchmark": "alert"}).cell()
    assert cell.path == "tiny-base/nca@2/seed0/alert"
    by_method = Selection(study, {"method": "nca", "benchmark": "alert"}).cells()
    assert [cell.model.recipe for cell in by_method] == ["nca@2", "nca"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nca@4", "step 4 is the end of that training, whose model is named 'nca'"),
        ("nca@3", "'nca' keeps no checkpoint at step 3 (kept: 2)"),
        ("ncaa@2", "no recipe of that name; did you mean 'nca@2'?"),
    ],
)
def test_a_dose_that_is_none_is_no_cell(load_tiny, name, words):
    with pytest.raises(ConfigError) as caught:
        Selection(load_tiny(keeping(2, 4)), {"recipe": name})
    assert words in str(caught.value)
