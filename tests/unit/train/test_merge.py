"""A model with its adapters merged and saved: what our engine merges, in one folder."""

from pathlib import Path

import pytest

from safegrid.core.errors import ConfigError, DataError
from safegrid.core.seals import read_result
from safegrid.train import merge


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    from safegrid.models.checkpoints import load_model

    torch.manual_seed(0)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["q_proj"])
    get_peft_model(load_model([base]), config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_the_saved_model_is_the_merged_one(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch

    from safegrid.models.checkpoints import load_model, weights_of

    merge.save_merged([base, adapter], "float32", tmp_path / "merged")
    one, other = load_model([base, adapter]), load_model([tmp_path / "merged"])
    ids = torch.tensor([[1, 40, 50, 60]])
    with torch.inference_mode():
        assert torch.equal(one(ids).logits, other(ids).logits)
        assert not torch.equal(one(ids).logits, load_model([base])(ids).logits)
    same = (base / "tokenizer.json").read_bytes()
    assert (tmp_path / "merged/tokenizer.json").read_bytes() == same
    assert not (tmp_path / "merged/adapter_config.json").exists()
    facts = read_result(tmp_path / "merged/manifest.json")
    assert facts["stack"] == [weights_of(base), weights_of(adapter)]


def test_what_cannot_be_merged_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path(__file__).parents[3] / "config"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"--model mini-base/dpo: no trained model"):
        merge.merge_model("mini", "mini-base/dpo", tmp_path / "out", config)
    with pytest.raises(DataError, match=r"dpo/seed0: a full model already"):
        merge.merge_model("mini", "mini-base/dpo/seed0", tmp_path / "out", config)
