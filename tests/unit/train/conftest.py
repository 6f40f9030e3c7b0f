"""A base of a few thousand weights with its own tokenizer, pairs, and trainings."""

import pytest

from made_up_training import preferences, save_base, save_preferences
from safegrid.config.methods import METHODS
from safegrid.train.run import train
from safegrid.train.tokenize import tokenize_pairs


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory, base):
    """Sixty-four pairs as ids of the base's tokenizer."""
    folder = tmp_path_factory.mktemp("pairs")
    dataset = save_preferences(folder / "dataset.parquet", preferences(64))
    tokenize_pairs(dataset, base, 128, folder / "pairs.parquet")
    return folder / "pairs.parquet"


@pytest.fixture(scope="session")
def reference(base, pairs, tmp_path_factory):
    from safegrid.train.reference import compute_reference

    out = tmp_path_factory.mktemp("reference") / "reference.parquet"
    compute_reference(pairs, [base], "float32", 8, out)
    return out


@pytest.fixture
def run(base, pairs, reference, tmp_path):
    """Train with the shared reference values; return the folder of the model.

    With doses, return the folders by their steps, that of the end under None.
    """

    def start(recipe, name="model", doses=None, **changes):
        names = {None: recipe.name, **{n: f"{recipe.name}@{n}" for n in doses or ()}}
        folders = {step: tmp_path / name / n / "seed0" for step, n in names.items()}
        for folder in folders.values():
            folder.parent.mkdir(parents=True, exist_ok=True)
        arguments = {
            "pairs": pairs,
            "stack": [base],
            "reference": reference if METHODS[recipe.method].reference else None,
            "kto_reference": None,
            "seed": 0,
            "data_seed": 0,
            "checkpoints": tmp_path / "checkpoints",
        }
        train(recipe=recipe, out=list(folders.values()), **{**arguments, **changes})
        assert list((tmp_path / "checkpoints").iterdir()) == []
        return folders[None] if doses is None else folders

    return start


@pytest.fixture
def command(base, pairs, reference, tmp_path):
    """Return a maker of `safegrid train`'s words; trainings read one reference."""

    def make(recipe, *out, checkpoints=tmp_path / "checkpoints"):
        return [
            *("train", "--pairs", str(pairs), "--stack", str(base)),
            *("--reference", str(reference), "--kto-reference"),
            *("--recipe", recipe.model_dump_json(), "--seed", "0", "--data-seed", "0"),
            *("--checkpoints", str(checkpoints), "--out", *map(str, out)),
        ]

    return make
