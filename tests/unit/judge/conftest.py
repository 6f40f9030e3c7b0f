"""Cells for judges: prompts, responses to them, and judges without models."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_table, write_result, write_table
from safegrid.core.records import PROMPT, RESPONSE, VERDICT
from safegrid.judge.run import judge

ROOT = Path(__file__).resolve().parents[3]
HEAD: dict[str, Any] = {
    "name": "head",
    "kind": "refusal",
    "method": "text_head",
    "positive": "refusal",
    "classes": ["compliance", "refusal", "partial"],
    "encoder": "e",
    "trained_on": [{"source": "s", "file": "f"}],
}
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def guard_spec():
    return JudgeSpec(name="guard", kind="guard", category_tokens=8)


@pytest.fixture
def run_judge(tmp_path, fake_engine):
    """Return a function that judges responses to prompts of the same order."""

    def run(
        spec: JudgeSpec,
        folder: Path | None,
        texts: list[str],
        prompts: list[str] | None = None,
        prefill: str | None = None,
        failed: tuple[int, ...] = (),
        fresh: bool = False,
        references: list[str | None] | None = None,
        threshold: float | None = 0.5,
    ) -> pl.DataFrame:
        prompts = prompts or ["what is it"] * len(texts)
        asked, answered = tmp_path / "prompts.parquet", tmp_path / "responses.parquet"
        write_cell(asked, answered, prompts, texts, prefill, failed, references)
        out, calibration = tmp_path / "verdicts.parquet", None
        if spec.kind == "fluency" and threshold is not None:
            calibration = tmp_path / "calibration.json"
            write_result(calibration, {"threshold": threshold})
        stack = [] if folder is None else [folder]
        rest = EngineSpec(), tmp_path / "cache", out, fresh
        judge(spec, stack, asked, answered, *rest, calibration=calibration)
        return read_table(out, VERDICT)

    return run


def write_cell(
    asked: Path,
    answered: Path,
    prompts: list[str],
    texts: list[str],
    prefill: str | None,
    failed: tuple[int, ...],
    references: list[str | None] | None = None,
) -> None:
    empty: dict[str, Any] = dict.fromkeys(PROMPT)
    questions = [
        {
            **empty,
            "prompt_id": f"p{number}",
            "benchmark": "alert",
            "prompt": [{"role": "user", "content": text}],
            "prefill": prefill,
            "reference": references[number] if references else None,
        }
        for number, text in enumerate(prompts)
    ]
    write_table(asked, pl.DataFrame(questions, schema=PROMPT), PROMPT, {})
    same = {"sample": 0, "n_prompt_tokens": 1, "n_tokens": 1, "decode": "d"}
    answers = [
        {
            **same,
            "prompt_id": f"p{number}",
            "text": text,
            "finish": "error" if number in failed else "eos",
        }
        for number, text in enumerate(texts)
    ]
    write_table(answered, pl.DataFrame(answers, schema=RESPONSE), RESPONSE, {})


def write_jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def spy(engine: Any, method: str, answer: Any) -> list[Any]:
    """Let an engine answer so, or by a function; return the ids that it is asked."""
    seen: list[Any] = []

    def ask(ids: Any, *more: Any) -> Any:
        seen.append(ids)
        return answer(ids, *more) if callable(answer) else answer

    setattr(engine, method, ask)
    return seen


def write_classes(folder: Path, *names: str) -> Path:
    labels = {str(number): name for number, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps({"id2label": labels}))
    return folder


@pytest.fixture
def classifier(make_folder):
    """Return a maker of classifiers' folders: class names to folder."""

    def make(*names: str) -> Path:
        return write_classes(make_folder("classifier", None), *names)

    return make


def reads_pairs(folder: Path) -> Path:
    """Let a folder's tokenizer put its own tokens between two texts."""
    file = folder / "tokenizer.json"
    pair = {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0]}
    pair |= {"trim_offsets": False, "add_prefix_space": False}
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "post_processor": pair})
    )
    return folder


def write_encoder(folder: Path, deberta: bool, limit: int | None) -> Path:
    """Write a random encoder of three layers with a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, DebertaConfig, DebertaModel
    from transformers import PreTrainedTokenizerFast as Fast

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "vocab_size": 400, "max_position_embeddings": 48}
    model, config = (
        (DebertaModel, DebertaConfig) if deberta else (BertModel, BertConfig)
    )
    model(config(**sizes)).save_pretrained(folder)
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    bytes_of = Tokenizer(models.BPE())
    bytes_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(special.values()), initial_alphabet=alphabet
    )
    bytes_of.train_from_iterator(["the cat sat on the mat"], trainer)
    bytes_of.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    known = {} if limit is None else {"model_max_length": limit}
    Fast(tokenizer_object=bytes_of, **special, **known).save_pretrained(folder)
    return folder
