"""Models that are kept along a training, of a base of a few thousand weights."""

import math

import pytest

from made_up_training import DROPPING, LORA, broken_off, curve, make_recipe, stored
from safegrid.core.artifacts import read_manifest, sha256_file
from safegrid.core.errors import ConfigError
from safegrid.core.seals import FILES, check_folder
from safegrid.models.checkpoints import load_model, weights_hash

pytestmark = pytest.mark.slow


def contents(folder):
    """Hash every file but those that tell whether the training was one run."""
    telling = ("manifest.json", "history.parquet")
    files = (path for path in folder.iterdir() if path.name not in telling)
    return {path.name: sha256_file(path) for path in files}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dpo", {}),
        ("nca", {"precision": "bfloat16", "gradient_checkpointing": True}),
        ("sft", {"per_device_train_batch_size": 2}),
        ("orpo", {"lora": DROPPING}),
    ],
)
def test_a_dose_is_the_model_of_its_step_and_changes_no_other(
    method, changes, run, monkeypatch
):
    """The weights of a step are those that the optimiser leaves, seen from outside."""
    import torch

    from safegrid.train.save import Watch

    shared = {"reference": None} if changes.get("precision") else {}
    recipe = make_recipe(method, max_steps=6, logging_steps=2, **changes)
    plain = run(recipe, "plain", **shared)
    seen = {}

    def look(self, args, state, control, **more):
        trained = dict(more["model"].named_parameters())
        chosen = next(n for n, p in trained.items() if p.requires_grad)
        seen[state.global_step] = trained[chosen].detach().clone()

    monkeypatch.setattr(Watch, "on_step_begin", look)
    models = run(recipe, doses=[2, 5], **shared)
    assert contents(models[None]) == contents(plain)
    assert curve(models[None]).equals(curve(plain))
    assert not torch.equal(seen[2], seen[5])
    for step in (2, 5):
        facts = read_manifest(models[step])
        assert (facts["steps"], facts["training_steps"]) == (step, 6)
        assert facts["params"]["checkpoint"] == step
        assert "run" not in facts
        assert any(
            tensor.shape == seen[step].shape
            and torch.equal(tensor, seen[step].to(tensor.dtype))
            for tensor in stored(models[step]).values()
        )
        own, whole = curve(models[step]), curve(models[None])
        assert own.equals(whole.filter(whole["step"] <= step))
        assert max(own["step"]) == step // 2 * 2
    ends = [read_manifest(models[step])["tokens"] for step in (2, 5, None)]
    assert 0 < ends[0] < ends[1] < ends[2]


def test_a_dose_is_a_whole_folder_of_a_model(run, base):
    """Sealed, with the files of the end, merged as it, and a start of its own."""
    recipe = make_recipe("sft", max_steps=4, lora=LORA)
    models = run(recipe, doses=[2])
    dose, end = models[2], models[None]
    assert {p.name for p in dose.iterdir()} == {p.name for p in end.iterdir()}
    facts = check_folder(dose)
    assert facts is not None
    assert set(facts[FILES]) == {p.name for p in dose.iterdir()} - {"manifest.json"}
    hashes = {weights_hash([base, *rest]) for rest in ([], [dose], [end])}
    assert len(hashes) == 3
    load_model([base, dose])
    own = make_recipe("sft", name="more", init_from="sft@2", lora=DROPPING)
    further = run(own, "further", stack=[base, dose])
    assert len(read_manifest(further)["stack"]) == 2
    load_model([base, dose, further])


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dpo", {}),
        ("kto", {"per_device_train_batch_size": 4}),
        ("orpo", {"lora": DROPPING}),
        ("reward", {"lora": DROPPING}),
    ],
)
def test_a_training_that_was_broken_off_ends_like_an_unbroken_one_and_keeps_its_doses(
    method, changes, run, tmp_path
):
    """Those that it had passed are used as they are; the others are made."""
    recipe = make_recipe(method, max_steps=9, save_steps=4, logging_steps=2, **changes)
    doses = [3, 5, 8]
    unbroken = run(recipe, "unbroken", doses)
    with pytest.raises(KeyboardInterrupt), broken_off(7):
        run(recipe, "broken", doses)
    assert not any((tmp_path / "broken").rglob("manifest.json"))
    (held,) = (tmp_path / "checkpoints").iterdir()
    made = {p.name: p.stat().st_ino for p in held.glob("dose-*/*.safetensors")}
    assert len(list(held.glob("dose-*"))) == 2
    broken = run(recipe, "broken", doses)
    assert read_manifest(broken[3])["resumed"] is True
    for step, folder in broken.items():
        assert contents(folder) == contents(unbroken[step])
        assert curve(folder).equals(curve(unbroken[step]))
    kept = [next(broken[step].glob("*.safetensors")).stat().st_ino for step in (3, 5)]
    assert set(kept) >= set(made.values())


@pytest.mark.parametrize(
    ("doses", "words"),
    [
        ([2, 9], r"names step 9, and the training ends after 8 steps; remove it, or"),
        ([8], r"names step 8, which is the end of the training, whose model is 'sft'"),
    ],
)
def test_a_dose_that_epochs_do_not_come_to_is_refused_before_any_step(
    doses, words, run, tmp_path
):
    recipe = make_recipe("sft", max_steps=None, num_train_epochs=1.0)
    with pytest.raises(ConfigError, match=words), broken_off(0):
        run(recipe, doses=doses)
    assert not any(tmp_path.rglob("manifest.json"))
    assert math.ceil(64 / recipe.training.batch) == 8
