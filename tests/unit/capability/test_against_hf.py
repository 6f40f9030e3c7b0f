"""The same suite through our engine and through the harness's own hf backend."""

import json
from pathlib import Path
from typing import Any

import pytest

from safegrid.capability.run import capability
from safegrid.capability.tasks import loaded_tasks
from safegrid.config import EngineSpec
from safegrid.core.artifacts import read_result

pytestmark = pytest.mark.slow


@pytest.fixture
def model_folder(base_folder):
    """Put a small model with random weights beside the tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        # Wide weights, so that answers differ between prompts.
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(base_folder)
    path = base_folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings["clean_up_tokenization_spaces"] = False
    path.write_text(json.dumps(settings))
    return base_folder


def test_choices_and_answers_are_the_same(
    model_folder, task_files, tmp_path, monkeypatch
):
    from safegrid.engine.lease import stop_all

    monkeypatch.setenv("SAFEGRID_RUN_DIR", str(tmp_path / "run"))
    names, out = ["colours", "names"], tmp_path / "suite.json"
    _more_questions(task_files)
    theirs = _hf(model_folder, task_files)
    _expect(task_files, [sample["resps"][0][0] for sample in theirs["names"]])
    try:
        capability(
            "suite", names, {}, task_files, None, [model_folder], EngineSpec(), out
        )
    finally:
        stop_all()
    ours = read_result(out)["items"]
    picks = [item["value"] for item in ours["colours"]]
    assert picks == [sample["acc"] for sample in theirs["colours"]]
    assert set(picks) == {0.0, 1.0}, "a model that is always wrong shows nothing"
    assert [item["value"] for item in ours["names"]] == [1.0] * 20


def _hf(folder: Path, files: list[Path]) -> dict[str, Any]:
    """Return the samples of the harness's own backend on the same suite."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=8)
    with loaded_tasks(["colours", "names"], files) as loaded:
        results = simple_evaluate(
            model,
            tasks=list(loaded["tasks"].values()),
            bootstrap_iters=0,
            apply_chat_template=True,
        )
    samples: dict[str, Any] = results["samples"]
    return samples


def _expect(files: list[Path], answers: list[str]) -> None:
    """Make answers the right ones of task `names`."""
    (path,) = [path for path in files if path.name == "names.jsonl"]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(set(answers)) > 1, "a model that always says the same shows nothing"
    path.write_text(
        "".join(
            json.dumps(row | {"colour": answer}) + "\n"
            for row, answer in zip(rows, answers, strict=True)
        )
    )


def _more_questions(task_files: list[Path]) -> None:
    """Ask twenty questions, so that a random model is right about some of them."""
    for path in task_files:
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            asked = [
                row | {"question": f"{number}. {row['question']}"}
                for number in range(5)
                for row in rows
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in asked))
