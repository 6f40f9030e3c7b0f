"""Tiny models that vLLM for CPUs can serve, one server at a time, and our own engine.

Its kernels know head sizes from 32 on. `make test-vllm` names the command.
"""

import os
import shutil
from pathlib import Path

import pytest

from safegrid.config.engine import VLLM
from safegrid.engine.lease import stop_all


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder, and skip them where there is no vLLM."""
    here = Path(__file__).parent
    absent = pytest.mark.skip(f"{VLLM} names no vLLM: `make test-vllm` installs one")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.vllm)
            if shutil.which(os.environ.get(VLLM, "")) is None:
                item.add_marker(absent)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a run of its own, whose engines end after the last test."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("run")
        patch.chdir(folder)
        patch.setenv("SAFEGRID_RUN_DIR", str(folder / "engines"))
        patch.setenv("SAFEGRID_RUN", "test")
        patch.setenv("SAFEGRID_OWNER_PID", str(os.getpid()))
        patch.setenv("SAFEGRID_ENGINE_START", "spawn")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        for name in ("SAFEGRID_OWNER_HOST", "SLURM_JOB_ID"):
            patch.delenv(name, raising=False)
        yield folder
        stop_all()


@pytest.fixture(scope="session")
def make(run, families, save):
    """Return a maker of random models: class, family of its tokenizer, seed."""
    import torch
    import transformers
    from tokenizers import Tokenizer
    from transformers import LlamaConfig

    def make(kind, family, seed):
        folder = save(families[family], run / f"{family}-{kind}")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ends = [tokenizer.token_to_id(token) for token in families[family].ends]
        config = LlamaConfig(
            vocab_size=512,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=ends,
            pad_token_id=0,
            num_labels=3,
            # Large, so that the likeliest token is so by a margin.
            initializer_range=0.25,
        )
        torch.manual_seed(seed)
        getattr(transformers, kind)(config).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def model(make):
    """A language model with WildGuard's tokenizer and template."""
    return make("LlamaForCausalLM", "wildguard", 0)
