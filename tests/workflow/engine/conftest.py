import itertools
import json
import os
import random
import stat
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from safegrid.config import EngineSpec
from safegrid.core.seals import write_result
from safegrid.engine import lease as leases
from safegrid.engine.registry import registry

STAND_IN = Path(__file__).parents[2] / "unit/engine/stand_in_vllm.py"


def belong_to_a_run(patch, folder):
    """Let this process be a job of a run that has its engines in a folder."""
    patch.setenv("SAFEGRID_RUN_DIR", str(folder))
    patch.setenv("SAFEGRID_RUN", "test")
    patch.setenv("SAFEGRID_OWNER_PID", str(os.getpid()))
    patch.delenv("SAFEGRID_OWNER_HOST", raising=False)
    patch.delenv("SLURM_JOB_ID", raising=False)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of its own, whose engines are ended after the test."""
    belong_to_a_run(monkeypatch, tmp_path / "run")
    yield
    leases.stop_all()


@pytest.fixture(scope="module")
def fork_server_folder(tmp_path_factory):
    """The folder of a run whose engines are forked from one process."""
    folder = tmp_path_factory.mktemp("fork server") / "run"
    yield folder
    leases.stop_all(folder)


@pytest.fixture
def forking(fork_server_folder, monkeypatch):
    """A run without engines that forks them from a process which stays."""
    belong_to_a_run(monkeypatch, fork_server_folder)
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "fork")
    yield
    for entry, process in list(registry().alive()):
        entry.clear()
        process.end()


@pytest.fixture
def stand_in(run, tmp_path, monkeypatch):
    """The stand-in as vLLM's command; returns a reader of what it was asked."""
    command = tmp_path / "vllm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "requests.jsonl"
    monkeypatch.setenv("SAFEGRID_VLLM", str(command))
    monkeypatch.setenv("STAND_IN_LOG", str(log))
    # Jobs run in the folder of their run, below which vLLM's log is kept.
    monkeypatch.chdir(tmp_path)
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def stack(tmp_path):
    """Makes the folder of a model, as far as a client looks at it."""

    def make(name):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        write_result(folder / "manifest.json", {"weights": name})
        return [folder]

    return make


@pytest.fixture
def spec():
    return EngineSpec(kind="vllm", idle_seconds=60, max_engines=2, start_seconds=20)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folder of tiny random models; torch is imported only where they are used."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        LlamaForSequenceClassification,
    )

    folder = tmp_path_factory.mktemp("models")
    for name, kind, seed in (
        ("causal", LlamaForCausalLM, 0),
        ("other", LlamaForCausalLM, 1),
        ("classifier", LlamaForSequenceClassification, 2),
    ):
        size = make_tokenizer(folder / name)
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=size,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            num_labels=3,
            # Large, so that the likeliest token is so by a margin.
            initializer_range=0.25,
        )
        model = kind(config)
        if kind is LlamaForCausalLM:
            # The end token about as likely as any ten others.
            model.lm_head.weight.data[2] *= 1.5
        model.save_pretrained(folder / name)
    # Its learned positions are absolute: padding must not shift them.
    size = make_tokenizer(folder / "absolute")
    config = GPT2Config(
        vocab_size=size,
        n_positions=256,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.25,
    )
    GPT2LMHeadModel(config).save_pretrained(folder / "absolute")
    return folder


def make_tokenizer(folder):
    from transformers import PreTrainedTokenizerFast

    words = [
        "".join(letters) for letters in itertools.product("abdeiklmnorst", repeat=3)
    ]
    draw = random.Random(0)
    text = [" ".join(draw.choices(words, k=40)) for _ in range(100)]
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=600,
        special_tokens=["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(text, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>"
        "{{ message['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


@pytest.fixture(scope="session")
def causal(models):
    return models / "causal"


@pytest.fixture(scope="session")
def classifier(models):
    return models / "classifier"
