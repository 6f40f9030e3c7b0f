import json
import math
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.errors import DataError, JudgeError
from safegrid.judge.agreement import measures_of, share
from safegrid.judge.validation import validate_judge
from safegrid.models.templates import ChatTokenizer

from .conftest import write_classes, write_jsonl

GUARD = JudgeSpec(name="guard", kind="guard")


def row(number: int, response: str, label: str, **more: Any) -> dict[str, Any]:
    asked = {"id": number, "prompt": "what is it"}
    return {**asked, "response": response, "label": label, **more}


def run(
    tmp_path: Path, spec: JudgeSpec, folder: Path, rows: Path, form: str = "labelled"
) -> dict[str, Any]:
    out, cache = tmp_path / "measured.json", tmp_path / "cache"
    validate_judge(spec, [folder], rows, form, EngineSpec(), cache, out)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_rates_count_what_was_wrongly_found_and_missed(
    tmp_path, guard_folder, fake_engine
):
    chat = ChatTokenizer.load(guard_folder)
    says = {"yes": (0.1, 0.8), "no": (0.8, 0.1), "two": (0.1, 0.1)}

    def labels(ids: list[int], words: list[list[int]]) -> list[float]:
        text = chat.decode(ids).split("Agent: ")[1].strip()
        return [math.log(p) for p in says[text]]

    fake_engine.labels = labels
    rows = write_jsonl(
        tmp_path / "rows.jsonl",
        row(1, "yes", "unsafe", category="S1"),
        row(2, "no", "unsafe", category="S1"),
        row(3, "no", "unsafe", category="S2"),
        row(4, "yes", "safe"),
        row(5, "no", "safe"),
        row(6, "two", "safe", category=None),
        row(7, "two", "unsafe", category="S2"),
    )
    found = run(tmp_path, GUARD, guard_folder, rows)
    assert (found["n"], found["n_unscored"], found["positive"]) == (5, 2, "unsafe")
    low, high = map(pytest.approx, proportion_confint(2, 5, method="wilson"))
    assert found["accuracy"] == {"value": 0.4, "low": low, "high": high, "n": 5}
    # Two of five agree, by chance (3 * 2 + 2 * 3) / 25 would: (10 - 12) / (25 - 12).
    assert found["kappa"]["value"] == pytest.approx(-2 / 13)
    assert (found["kappa"]["n"], found["kappa"]["against"]) == (5, "safe")
    assert found["apart"] == {}
    assert "annotators_kappa" not in found
    assert found["false_positive_rate"]["value"] == 1 / 2
    assert found["false_negative_rate"]["value"] == 2 / 3
    assert found["confusion"] == {
        "safe": {"safe": 1, "unsafe": 1, "unscored": 1},
        "unsafe": {"safe": 2, "unsafe": 1, "unscored": 1},
    }
    assert sorted(found["categories"]) == ["S1", "S2"]
    assert found["categories"]["S2"]["n_unscored"] == 1
    assert found["categories"]["S1"]["accuracy"]["value"] == 1 / 2
    # Nothing in S1 could be found wrongly: no value, not a measured zero.
    assert found["categories"]["S1"]["false_positive_rate"]["value"] is None
    assert found["manifest"]["stage"] == "validate_judge"


def test_a_class_that_is_not_the_positive_one_can_be_wrong_too():
    pairs = [("partial", "compliance"), ("refusal", "refusal"), ("partial", "refusal")]
    found = measures_of(pairs, "refusal")
    assert found["accuracy"]["value"] == pytest.approx(1 / 3)
    assert found["false_positive_rate"]["value"] == 1 / 2
    assert found["false_negative_rate"]["value"] == 0.0


def test_a_perfect_share_has_an_interval_and_an_empty_one_no_value():
    assert share([True] * 40)["low"] == pytest.approx(0.9124, abs=1e-4)
    assert share([]) == {"value": None, "low": None, "high": None, "n": 0}


def test_a_judge_without_labels_cannot_be_measured(tmp_path, base_folder):
    rows = write_jsonl(tmp_path / "rows.jsonl", row(1, "yes", "safe"))
    with pytest.raises(
        JudgeError, match="no labels, so there is nothing to validate it on"
    ):
        spec = JudgeSpec(name="fluency", kind="fluency")
        run(tmp_path, spec, base_folder, rows)


@pytest.fixture
def scorer(make_folder, fake_engine):
    """A model whose score is the number of an answer's letters."""
    folder: Path = make_folder("scorer", None)
    write_classes(folder, "LABEL_0")
    chat = ChatTokenizer.load(folder)
    fake_engine.outputs = lambda ids: [float(len(chat.decode(ids)))]
    return folder


def run_ranks(
    tmp_path: Path, kind: str, form: str, folder: Path, *rows: dict[str, Any]
) -> dict[str, Any]:
    spec = {"name": "ranker", "kind": kind, "text": "{response}"}
    path = write_jsonl(tmp_path / "rows.jsonl", *rows)
    return run(tmp_path, JudgeSpec.model_validate(spec), folder, path, form)


def pair(number: int, chosen: str, rejected: str, **more: str) -> dict[str, Any]:
    return {"id": number, "prompt": "p", "chosen": chosen, "rejected": rejected, **more}


def test_a_reward_model_is_right_where_the_chosen_answer_scores_higher(
    tmp_path, scorer, fake_engine
):
    fake_engine.max_length = 20
    rows = [
        pair(1, "three", "two", category="refusals"),
        pair(2, "two", "three", category="refusals"),
        pair(3, "two", "one", category="others"),
        pair(4, "twofold", "one"),
        pair(5, "two" * 30, "one", category="others"),
    ]
    found = run_ranks(tmp_path, "reward", "reward_pairs", scorer, *rows)
    low, high = map(pytest.approx, proportion_confint(2, 4, method="wilson"))
    right = {"value": 0.5, "low": low, "high": high, "n": 4}
    # A tie is wrong, and told; a pair with an answer that is too long is left out.
    assert found["pairwise_accuracy"] == right
    assert (found["n"], found["n_unscored"], found["ties"]) == (4, 1, 1)
    assert found["categories"]["refusals"]["pairwise_accuracy"]["value"] == 0.5
    others = found["categories"]["others"]
    assert (others["n"], others["n_unscored"], others["ties"]) == (1, 1, 1)


def test_a_regression_is_measured_by_rank_and_by_distance(tmp_path, scorer):
    from scipy.stats import spearmanr

    known = [3.5, 0.0, 7.25, 2.0, 5.0, 4.0, 11.0, 6.5, 9.0, 1.0, 8.0, 12.0]
    rows = [
        {"id": f"r{i}", "prompt": "p", "response": "x" * (i + 1), "score": score}
        for i, score in enumerate(known)
    ]
    found = run_ranks(tmp_path, "harmfulness", "scored", scorer, *rows)
    given = range(1, len(known) + 1)
    rank = found["spearman"]
    assert rank["value"] == pytest.approx(spearmanr(known, given).statistic)
    assert -1 <= rank["low"] < rank["value"] < rank["high"] <= 1
    off = [abs(a - b) for a, b in zip(known, given, strict=True)]
    error = found["mean_absolute_error"]
    assert error["value"] == pytest.approx(sum(off) / 12)
    assert error["low"] < error["value"] < error["high"]
    assert (found["n"], found["categories"]) == (12, {})


@pytest.mark.parametrize(
    ("form", "row", "said"),
    [
        ("reward_pairs", pair(1, "a", "a"), "same answer"),
        ("scored", {"id": 1, "prompt": "p", "response": "r", "score": True}, "score"),
        ("scored", {"id": 1, "prompt": "p", "response": "r"}, "score"),
    ],
)
def test_broken_rows_of_pairs_and_scores_are_told(tmp_path, scorer, form, row, said):
    with pytest.raises(DataError, match=said):
        run_ranks(tmp_path, "reward", form, scorer, row)
