"""The threshold of a judge of fluency, and what it is tested on."""

import json
from itertools import combinations, islice, pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE
from safegrid.engine.client import Completion
from safegrid.judge.calibrate import calibrate
from safegrid.judge.fluency import NO_REQUEST
from safegrid.models.templates import ChatTokenizer

from .conftest import write_jsonl

SPEC = JudgeSpec(name="fluency", kind="fluency")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def counted(n: int) -> list[str]:
    """Return texts that count upwards, no two of them alike."""
    return list(map(" ".join, islice(combinations(WORDS, 4), n)))


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "dataset.parquet"
    blank = dict.fromkeys(PREFERENCE)
    rows = [
        {**blank, "pair_id": f"p{i}", "prompt": f"count {i}", "chosen": text}
        for i, text in enumerate(counted(60))
    ]
    frame = pl.DataFrame(rows, schema=PREFERENCE)
    write_table(path, frame, PREFERENCE, manifest("prepare", {}, {}))
    return path


@pytest.fixture
def labelled(tmp_path):
    texts = [("refusal", "no way is there"), ("compliance", "there way no is")]
    rows = [
        {
            "id": f"{label}{i}",
            "prompt": "x",
            "label": label,
            "response": f"{text} {word}",
        }
        for label, text in texts
        for i, word in enumerate(WORDS)
    ]
    return write_jsonl(tmp_path / "rows.jsonl", *rows)


def upwards(text: str) -> float:
    """Return the share of words that stand behind a lower one, or begin as they may."""
    order = ["no", "way", "is", "there", *WORDS]
    places = [order.index(word) for word in text.split()]
    steps = list(pairwise(places))
    return sum(a <= b for a, b in steps) / len(steps)


@pytest.fixture
def run(tmp_path, base_folder, fake_engine):
    """Return a function that calibrates; its engine finds counting upwards language."""
    chat = ChatTokenizer.load(base_folder)
    context = chat.chat_ids(NO_REQUEST, True)
    fake_engine.answer = lambda ids, seed: Completion(
        [5], "eos", 2, "one two three four" if seed == 1 else "four two one zero"
    )

    def calibrated(
        datasets: list[Path], rows: Path | None = None, judge: JudgeSpec = SPEC
    ) -> dict[str, Any]:
        def tokens(ids: list[int], start: int) -> list[float]:
            assert ids[:start] == context
            text = chat.decode(ids[start:], False)
            assert len(text.split()) <= (judge.opening_words or 5)
            return [-5.0 + 4.0 * upwards(text)] * (len(ids) - start)

        fake_engine.tokens = tokens
        out = tmp_path / "calibration.json"
        calibrate(
            judge=judge,
            stack=[base_folder],
            datasets=datasets,
            labelled=rows,
            labelled_format="labelled" if rows else None,
            engine=EngineSpec(),
            seed=1,
            cache=tmp_path / "cache",
            out=out,
        )
        found: dict[str, Any] = json.loads(out.read_text())
        return found

    return calibrated


def test_fluent_texts_fix_the_threshold_and_other_ones_test_it(run, dataset, labelled):
    found = run([dataset], labelled)
    assert found["n"] == 30 + 5
    assert 0 < found["threshold"] < 1
    for name, n in (("answers", 30), ("refusals", 5)):
        rate = found[f"called_disfluent_{name}"]
        assert (rate["value"], rate["n"]) == (0.0, n)
        assert rate["high"] > 0
    assert found["found_shuffled"]["n"] == 35
    assert found["found_shuffled"]["value"] > 0.5
    # Of the engine's answers the first alone counts upwards.
    assert found["called_disfluent_base"]["n"] == 35
    assert found["found_sampled"]["value"] == pytest.approx(34 / 35)
    assert found["manifest"]["stage"] == "calibrate"


def test_the_same_texts_give_the_same_threshold(run, dataset):
    first = run([dataset])
    assert first == run([dataset])
    assert "called_disfluent_refusals" not in first


def test_texts_are_read_as_far_as_the_judge_reads_answers(run, dataset):
    judge = SPEC.model_copy(update={"opening_words": 3})
    distinct = {" ".join(text.split()[:3]) for text in counted(60)}
    assert run([dataset], judge=judge)["n"] == -(-len(distinct) // 2)


def test_a_judge_without_any_text_says_what_it_needs(run):
    with pytest.raises(DataError, match="no text that is long enough"):
        run([])
