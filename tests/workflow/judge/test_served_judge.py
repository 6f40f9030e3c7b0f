"""A judge behind a real server that speaks the protocol: transformers' own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ports import free_port, wait_for_server
from safegrid.config import JudgeSpec
from safegrid.judge.correction import judge_by_endpoint, question
from safegrid.judge.items import Item
from safegrid.models.templates import ChatTokenizer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openai") is None,
    reason="`transformers serve` needs the package openai",
)

WORDING = "{prompt} {prefill} [[HERE]]{response}"
ANSWERS = {" no, the lamp stays": "yes", " and the bread": "no", " the stone": "maybe"}


ASKED = [{"role": "user", "content": "May I take the lamp?"}]
ITEMS = [
    Item(f"p{number}", 0, ASKED, text, "Yes, take it")
    for number, text in enumerate(ANSWERS)
]


def spec_of(model: str) -> JudgeSpec:
    endpoint = {"model": model, "max_tokens": 8, "max_concurrency": 2}
    judge = {"name": "served", "kind": "correction", "method": "endpoint"}
    judge |= {"prompt_template": WORDING, "endpoint": endpoint | {"max_attempts": 2}}
    return JudgeSpec.model_validate(judge)


@pytest.fixture(scope="module")
def folder(
    families: dict[str, Any],
    save: Callable[[Any, Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A tiny model that has learned one answer to each of the questions."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = save(families["qwen2"], tmp_path_factory.mktemp("served") / "judge")
    chat = ChatTokenizer.load(folder)
    pairs = [
        (
            chat.chat_ids(question(spec_of("m"), item), True),
            [*chat.encode_text(answer), int(chat.eos_id or 0)],
        )
        for item, answer in zip(ITEMS, ANSWERS.values(), strict=True)
    ]
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=chat.eos_id,
        pad_token_id=chat.pad_id,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(400):
        optimiser.zero_grad()
        losses = [
            model(
                torch.tensor([prompt + answer]),
                labels=torch.tensor([[-100] * len(prompt) + answer]),
            ).loss
            for prompt, answer in pairs
        ]
        if max(losses) < 0.02:
            break
        sum(losses).backward()
        optimiser.step()
    assert max(losses) < 0.02, "the answers were not learned"
    settings = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(settings)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `transformers serve` with that model."""
    port, home = free_port(), tmp_path_factory.mktemp("hub")
    (home / "hub").mkdir()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve"]
    command += [str(folder), "--device", "cpu", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )
    try:
        wait_for_server(process, port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def test_a_served_models_own_words_become_verdicts(
    served: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", served)
    monkeypatch.delenv("SAFEGRID_JUDGE_KEY", raising=False)
    spec = spec_of(str(folder))
    cache = tmp_path / "cache"
    verdicts, record = judge_by_endpoint(spec, ITEMS, cache, {"judge": 1})
    assert [v.label for v in verdicts] == ["corrected", "continued", "unscored"]
    assert record.usage is not None
    assert (record.usage.requests, record.answers, record.from_cache) == (3, 3, 0)
    assert record.usage.tokens_in > 0
    # The server is gone for what is kept.
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", "http://127.0.0.1:9/v1")
    again, record = judge_by_endpoint(spec, ITEMS, cache, {"judge": 1})
    assert (again, record.from_cache) == (verdicts, 3)
