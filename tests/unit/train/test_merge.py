"""A model with its adapters merged, and what a model's manifest tells of its making."""

import subprocess
from pathlib import Path

import pytest

from safegrid.core.errors import ConfigError, DataError
from safegrid.core.seals import read_result, write_result
from safegrid.models.templates import ChatTokenizer
from safegrid.train import merge
from safegrid.train.run import git_state, lineage


def test_the_saved_model_is_the_merged_one(base, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model

    from safegrid.models.checkpoints import load_model, weights_of

    torch.manual_seed(0)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["q_proj"])
    adapter, out = tmp_path / "adapter", tmp_path / "merged"
    get_peft_model(load_model([base]), config).save_pretrained(adapter)
    merge.save_merged([base, adapter], "float32", out)
    ids = torch.tensor([[1, 40, 50, 60]])
    with torch.inference_mode():
        stack, saved, plain = (
            load_model(folders)(ids).logits
            for folders in ([base, adapter], [out], [base])
        )
    assert torch.equal(stack, saved)
    assert not torch.equal(stack, plain)
    same = (base / "tokenizer.json").read_bytes()
    assert (out / "tokenizer.json").read_bytes() == same
    assert not (out / "adapter_config.json").exists()
    facts = read_result(out / "manifest.json")
    assert facts["stack"] == [weights_of(base), weights_of(adapter)]


def test_what_cannot_be_merged_is_told(tmp_path, monkeypatch):
    config = Path(__file__).parents[3] / "config"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"--model mini-base/dpo: no trained model"):
        merge.merge_model("mini", "mini-base/dpo", tmp_path / "out", config)
    with pytest.raises(DataError, match=r"dpo/seed0: a full model already"):
        merge.merge_model("mini", "mini-base/dpo/seed0", tmp_path / "out", config)


def test_the_commit_and_whether_code_was_changed_since(tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        command = ["git", "-C", tmp_path, *who, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", "code.py")
    git("commit", "-qm", "first")
    git("tag", "-a", "v1", "-m", "a tag is no commit")
    commit = git("rev-parse", "HEAD").stdout.strip()
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "result.txt").write_text("untracked")
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "code.py").write_text("2")
    assert git_state(tmp_path) == {"commit": commit, "dirty": True}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_the_base_is_told_through_every_model_that_was_trained_from_it(
    make_folder, base_folder
):
    own = {"weights": "base-w", "revision": None}
    assert lineage([base_folder])["base"] == own
    template = ChatTokenizer.load(base_folder).template_hash
    base = {"weights": "base-w", "revision": "0123abcd"}
    write_result(base_folder / "manifest.json", base)
    assert lineage([base_folder]) == {"base": base, "template": template}
    trained = make_folder("trained", ChatTokenizer.load(base_folder).template)
    write_result(trained / "manifest.json", {"weights": "t", "base": base})
    assert lineage([trained]) == {"base": base, "template": template}
