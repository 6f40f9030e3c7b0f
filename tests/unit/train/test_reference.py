"""Reference values: of what is trained on alone, and of pairs that a training takes."""

import json
import shutil
from pathlib import Path

import pytest

from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import TrainingError
from safegrid.core.records import PAIRS, REFERENCE
from safegrid.train.reference import compute_reference


def test_values_are_computed_for_the_subsets_alone(
    base: Path, pairs: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "part.parquet"
    parts = [[0.125, None], [0.25, ["odd"]]]
    compute_reference(pairs, [base], "float32", 8, out, parts, 5)
    part, whole = read_table(out, REFERENCE), read_table(reference, REFERENCE)
    assert 8 <= part.height <= 16 < whole.height
    same = part.select("pair_id").join(whole, on="pair_id", maintain_order="left")
    for side in ("chosen", "rejected"):
        assert part[side].to_list() == pytest.approx(same[side].to_list(), abs=1e-4)
    assert read_manifest(out)["params"]["subsets"] == [
        {"fraction": 0.125, "categories": None},
        {"fraction": 0.25, "categories": ["odd"]},
    ]
    order = read_table(pairs, PAIRS)["pair_id"].to_list()
    assert sorted(part["pair_id"], key=order.index) == part["pair_id"].to_list()


def test_a_broken_contract_is_told_before_the_model_is_loaded(
    base: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(base, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "x": 1}))

    def load(*_: object) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr("safegrid.train.reference.load_model", load)
    out = tmp_path / "reference.parquet"
    with pytest.raises(TrainingError, match="tokenize the pairs again"):
        compute_reference(pairs, [folder], "float32", 8, out)
    assert not out.exists()
