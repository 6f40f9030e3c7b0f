"""Judging by a file: verdicts from elsewhere land on their own answers, or nowhere."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_manifest, read_table, write_table
from safegrid.core.errors import DataError, JudgeError
from safegrid.core.records import RESPONSE, VERDICT
from safegrid.judge.run import judge
from safegrid.judge.verdict_file import verdict_of

from .conftest import write_cell, write_jsonl

CELL = {"study": "s", "base": "b", "recipe": "dpo", "seed": 0, "benchmark": "alert"}
OURS = {name: str(value) for name, value in CELL.items() if name != "study"}
PROMPTS = ["how to knit", "how to bake", "how to sail"]
ANSWERS = ["with wool", "with flour", "with wind"]
GUARD = JudgeSpec(name="people", kind="guard", method="file", safe="good", unsafe="bad")


def spec(kind: str, **more: Any) -> JudgeSpec:
    return JudgeSpec(name="people", kind=kind, method="file", **more)


REFUSAL = spec(
    "refusal", classes=["compliance", "refusal", "partial"], positive="refusal"
)
TOXICITY = spec("toxicity", classes=["toxic", "benign"], positive="toxic")


@pytest.fixture
def judged(tmp_path):
    """Return a function that judges three answers by the rows of a file."""
    asked, answered = tmp_path / "prompts.parquet", tmp_path / "responses.parquet"

    def run(
        rows: list[dict[str, Any]] | str,
        by: JudgeSpec = GUARD,
        ending: str = "jsonl",
        prompts: list[str] = PROMPTS,
        failed: tuple[int, ...] = (),
        samples: int = 1,
    ) -> pl.DataFrame:
        write_cell(asked, answered, prompts, ANSWERS, None, failed)
        given = read_table(answered, RESPONSE)
        texts = [pl.col("text") + "!" * n for n in range(samples)]
        parts = [given.with_columns(sample=n, text=t) for n, t in enumerate(texts)]
        write_table(answered, pl.concat(parts), RESPONSE, {})
        file, out = tmp_path / f"told.{ending}", tmp_path / "verdicts.parquet"
        write_rows(file, rows)
        rest = (EngineSpec(), tmp_path / "cache", out)
        judge(by, [], asked, answered, *rest, verdicts_file=file, cell=CELL)
        return read_table(out, VERDICT)

    return run


def write_rows(file: Path, rows: list[dict[str, Any]] | str) -> None:
    if isinstance(rows, str):
        file.write_text(rows)
    elif file.suffix == ".csv":
        pl.DataFrame(rows).write_csv(file)
    elif file.suffix == ".json":
        file.write_text(json.dumps(rows, indent=1))
    else:
        write_jsonl(file, *rows)


def told(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt_id": f"p{number}", "label": "good", **OURS, **more}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
def test_verdicts_land_by_id_whatever_their_order(
    judged, tmp_path, fake_engine, ending
):
    rows = [
        told(2, label="bad", score=0.9),
        told(0),
        {"prompt": "how to bake", "label": "bad", "response": "with flour"},
    ]
    found = judged(rows, ending=ending)
    assert found["prompt_id"].to_list() == ["p0", "p1", "p2"]
    assert found["label"].to_list() == ["safe", "unsafe", "unsafe"]
    assert found["score"].to_list() == [0.0, 1.0, 0.9]
    assert found["judge"].unique().to_list() == ["people"]
    assert fake_engine.leases == 0
    assert not (tmp_path / "cache").exists()
    facts = read_manifest(tmp_path / "verdicts.parquet")
    assert facts["engine"] is None
    assert set(facts["inputs"]) == {"prompts", "responses", "verdicts_file"}


def test_an_answer_without_a_verdict_is_unscored_and_counted(judged, tmp_path):
    found = judged([told(1), told(2, label="unscored")])
    assert found["label"].to_list() == ["unscored", "safe", "unscored"]
    assert found["raw"].to_list()[::2] == [
        "no verdict in the file",
        "unscored where it is from",
    ]
    facts = read_manifest(tmp_path / "verdicts.parquet")
    assert (facts["without_verdict"], facts["unscored"], facts["rows"]) == (1, 2, 3)


def test_every_sample_of_a_prompt_has_its_own_verdict(judged):
    scores = {(p, s): 10.0 * p + s for p in range(3) for s in range(2)}
    rows = [
        {"prompt_id": f"p{p}", "sample": s, "score": value, **OURS}
        for (p, s), value in reversed(scores.items())
    ]
    found = judged(rows, spec("reward"), samples=2)
    assert found["label"].to_list() == [None] * 6
    pairs = zip(found["prompt_id"], found["sample"], found["score"], strict=True)
    assert {(int(p[1]), s): value for p, s, value in pairs} == scores


def test_rows_of_other_cells_are_left_aside_and_counted(judged, tmp_path):
    other = [told(0, label="bad", recipe="sft"), told(9, benchmark="xstest")]
    assert judged([told(0), *other])["label"][0] == "safe"
    assert read_manifest(tmp_path / "verdicts.parquet")["of_other_cells"] == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (told(7), "its prompt_id is none of the 3 prompts'"),
        (told(0, sample=1), "its sample is none of the prompt's answers"),
        (told(1), "a second verdict for the item of line 1"),
        (told(2, label=None), "has neither `label` nor `score`"),
        (told(2, label="safe"), "field 'label' is 'safe': expected one of bad, good"),
        (told(2, label=None, score=1.5), r"P\(unsafe\): expected 0 to 1"),
        (told(2, score=0.9), "its label and its score say opposite things"),
        (told(2, score="high"), "field 'score' must be a number"),
        (told(2, score=True), "field 'score' must be a number"),
        (told(2, sample=-1), "field 'sample' must be a whole number, 0 or more"),
        (told(2, sample="0"), "field 'sample' must be a whole number, 0 or more"),
        (
            told(2, label="unscored", score=0.1),
            "is labelled 'unscored' and has a score",
        ),
        (told(2, response="with oars"), "its `response` is not the answer"),
        (told(2, prompt="how to row"), "not the text of the prompt that its id names"),
        ({"prompt": "how to row", "label": "good", **OURS}, "not the text of any of"),
        ({"label": "good"}, "each with a field `prompt_id`, or `prompt`"),
        ({"prompt_id": "p2", "label": "good"}, "nothing ties it to an answer"),
        ({"prompt_id": 2, "label": "good"}, "field 'prompt_id' must be text"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line(judged, tmp_path, row, reason):
    with pytest.raises(DataError, match=rf"line 2: .*{reason}"):
        judged([told(1), row])
    assert not (tmp_path / "verdicts.parquet").exists()


def test_all_that_is_wrong_is_told_at_once_and_no_text_is_quoted(judged):
    secret = "words that nobody should read in a log, long enough for a text"
    rows = [*map(told, (0, 0, 8, 9)), told(1, label=secret), told(2, response=secret)]
    with pytest.raises(DataError) as error:
        judged(rows)
    said = str(error.value)
    assert "5 problems" in said
    for part in ("line 2: a second", "lines 3, 4: its prompt_id", "line 5: field 'la"):
        assert part in said
    assert "line 6: its `response`" in said
    assert "nobody should read" not in said


LISTS = "[1.5, -2.0]", '{"instructions": ["a"], "scores": [1.5]}', "[]"
BY_REWARD = {"by": spec("reward"), "ending": "csv"}


@pytest.mark.parametrize(
    ("rows", "how", "reason"),
    [
        ([told(0, label=None, score="nan")], BY_REWARD, "line 2: .* no finite number"),
        ([told(0, label=None, score="inf")], BY_REWARD, "line 2: .* no finite number"),
        ([told(0, samples=1)], {}, "column 'samples': did you mean 'sample'"),
        ([told(0)], {"failed": (0,)}, "line 1: its prompt was not answered here"),
        (
            [{"prompt": "how to knit", "label": "good", **OURS}],
            {"prompts": [*PROMPTS[:2], "how to knit"]},
            "the text of 2 prompts: name it by",
        ),
        *((text, {"ending": "json"}, "never paired by position") for text in LISTS),
    ],
)
def test_files_that_do_not_fit_their_cell_are_refused(judged, rows, how, reason):
    with pytest.raises(DataError, match=reason):
        judged(rows, **how)


def test_a_judge_by_file_without_a_file_is_told(tmp_path):
    asked, answered = tmp_path / "prompts.parquet", tmp_path / "responses.parquet"
    write_cell(asked, answered, PROMPTS, ANSWERS, None, ())
    rest = (EngineSpec(), tmp_path / "cache", tmp_path / "out.parquet")
    with pytest.raises(JudgeError, match="needs its file of verdicts"):
        judge(GUARD, [], asked, answered, *rest)


@pytest.mark.parametrize(
    ("by", "label", "score", "found"),
    [
        (GUARD, "good", None, ("safe", 0.0)),
        (GUARD, None, 0.5, ("unsafe", 0.5)),
        (REFUSAL, "refusal", None, ("refusal", 1.0)),
        (REFUSAL, "partial", 0.4, ("partial", 0.4)),
        (TOXICITY, None, 0.2, ("benign", 0.2)),
        (TOXICITY, "toxic", 0.7, ("toxic", 0.7)),
        (spec("reward"), None, -3.5, (None, -3.5)),
        (spec("harmfulness"), None, 2.92, (None, 2.92)),
    ],
)
def test_each_kind_is_read_as_its_model_is(by, label, score, found):
    verdict = verdict_of(by, label, score)
    assert not isinstance(verdict, str)
    assert (verdict.label, verdict.score) == found


@pytest.mark.parametrize(
    ("by", "label", "score", "reason"),
    [
        (REFUSAL, None, 0.9, "needs a `label`"),
        (REFUSAL, "refused", None, "did you mean 'refusal'"),
        (TOXICITY, "toxic", None, "needs a `score`"),
        (TOXICITY, None, 1.2, "is a probability"),
        (spec("reward"), "good", 1.0, "gives numbers"),
        (spec("harmfulness"), "bad", None, "gives numbers"),
    ],
)
def test_what_a_kind_does_not_give_is_refused(by, label, score, reason):
    assert reason in str(verdict_of(by, label, score))
