"""Cells for judges: prompts, responses to them, and judges without models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_table, write_result, write_table
from safegrid.core.records import PROMPT, RESPONSE, VERDICT
from safegrid.judge.run import judge

Judge = Callable[..., pl.DataFrame]


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
        out = tmp_path / "verdicts.parquet"
        cache = tmp_path / "cache"
        stack = [] if folder is None else [folder]
        calibration = None
        if spec.kind == "fluency" and threshold is not None:
            calibration = tmp_path / "calibration.json"
            write_result(calibration, {"threshold": threshold})
        judge(
            spec,
            stack,
            asked,
            answered,
            EngineSpec(),
            cache,
            out,
            fresh,
            calibration=calibration,
        )
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
    answers = [
        {
            "prompt_id": f"p{number}",
            "sample": 0,
            "text": text,
            "n_prompt_tokens": 1,
            "n_tokens": 1,
            "finish": "error" if number in failed else "eos",
            "decode": "d",
        }
        for number, text in enumerate(texts)
    ]
    write_table(answered, pl.DataFrame(answers, schema=RESPONSE), RESPONSE, {})


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
