"""Rows of a model's answers: which is chosen or rejected, dropped, and refused."""

import pytest

from answered import answer, prompt, verdict, write
from safegrid.config.generated import BestOfKSpec, RejectedByModelSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE
from safegrid.synthesize.model_answers import best_of_k, rejected_by_model

K = 3
SPEC = BestOfKSpec(
    recipe="it",
    prompts={"source": "s", "file": "f", "kind": "instructions"},
    decode={"max_new_tokens": 8, "temperature": 0.85, "samples": K},
    judge="reward",
)
REJECTED = RejectedByModelSpec(
    recipe="none", chosen=[{"source": "safe"}], decode={"max_new_tokens": 8}
)


@pytest.fixture
def choose(tmp_path):
    """Choose from scores by prompt; files may be changed before they are written."""

    def _choose(scores, change=lambda tables: None, answers=None):
        tables = {
            "prompts": [prompt(name, f"ask {name}") for name in scores],
            "responses": answers
            or [answer(p, f"yes {i}", i) for p in scores for i in range(K)],
            "verdicts": [
                verdict(p, i, score=s, label=None if s is not None else "unscored")
                for p, own in scores.items()
                for i, s in enumerate(own)
            ],
        }
        change(tables)
        out = tmp_path / "out.parquet"
        best_of_k(name="raft_1", spec=SPEC, **write(tmp_path, **tables), out=out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _choose


@pytest.fixture
def reject(tmp_path):
    """Reject answers: prompts' names to their sources, and the answers in any order."""

    def _reject(asked, answers):
        prompts = [
            prompt(n, f"ask {n}", category=source, reference=f"I will not {n}.")
            for n, source in asked.items()
        ]
        files = write(tmp_path, prompts=prompts, responses=answers)
        out = tmp_path / "out.parquet"
        rejected_by_model("refusals", REJECTED, **files, out=out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _reject


def test_the_highest_score_is_kept_and_of_equal_ones_the_first(choose):
    frame, facts = choose({"a": [0.1, 0.9, 0.5], "b": [2.0, -1.0, 2.0]})
    assert frame["chosen"].to_list() == ["yes 1", "yes 0"]
    assert frame["prompt"].to_list() == ["ask a", "ask b"]
    assert frame["rejected"].null_count() == 2
    assert frame["pair_id"].to_list() == ["raft_1-a-1", "raft_1-b-0"]
    assert facts["mean_score"] == pytest.approx((0.5 + 1.0) / 2)
    assert facts["mean_best"] == pytest.approx((0.9 + 2.0) / 2)
    assert facts["dropped"] == {}


def test_answers_without_a_score_or_without_words_are_never_chosen(choose):
    answers = [
        answer("a", "", 0),
        *(answer("a", f"yes {i}", i) for i in (1, 2)),
        *(answer("b", "yes", i) for i in range(K)),
        *(answer("c", "", i, "error") for i in range(K)),
    ]
    none = [None] * 3
    scores = {"a": [9.0, None, 0.5], "b": none, "c": none}
    frame, facts = choose(scores, answers=answers)
    assert frame["chosen"].to_list() == ["yes 2"]
    assert facts["rows"] == 1
    assert facts["dropped"] == {"no_answer": 1, "no_scored_answer": 1}


def test_an_empty_best_of_k_is_an_error_and_nothing_is_written(choose, tmp_path):
    with pytest.raises(DataError, match=r"no answer of 2 .*'no_scored_answer': 2"):
        choose({"a": [None] * 3, "b": [None] * 3})
    assert not (tmp_path / "out.parquet").exists()


def test_the_order_of_rows_changes_nothing(choose):
    def shuffle(tables):
        for name in ("responses", "verdicts"):
            tables[name].reverse()

    scores = {"a": [0.1, 0.9, 0.5], "b": [2.0, -1.0, 3.0]}
    assert choose(scores)[0].equals(choose(scores, shuffle)[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["verdicts"].pop(), "5 verdicts of 6 answers"),
        (lambda t: t["verdicts"][0].update(prompt_id="z"), "of other answers"),
        (lambda t: t["verdicts"][1].update(sample=0), "expected one of each"),
        (lambda t: t["prompts"].pop(), "not 3 answers to each prompt"),
        (lambda t: t["prompts"][0].update(prefill="Yes"), "a is no single turn"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(choose, change, said):
    with pytest.raises(DataError, match=said):
        choose({"a": [0.1, 0.9, 0.5], "b": [2.0, -1.0, 2.0]}, change)


def test_a_row_prefers_the_source_to_the_model_and_names_the_source(reject):
    answers = [answer("b", " Here. \n", finish="length"), answer("a", "Ok")]
    frame, facts = reject({"a": "safe", "b": "good"}, answers)
    assert frame.rows() == [
        ("refusals-a", "ask a", "I will not a.", "Ok", "safe", "refusals", 1),
        ("refusals-b", "ask b", "I will not b.", "Here.", "good", "refusals", 2),
    ]
    assert facts["parts"] == {"good": 1, "safe": 1}
    assert (facts["rows"], facts["dropped"], facts["cut"]) == (2, {}, 1)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        (answer("b", "", finish="error"), "no_answer"),
        (answer("b", " \n\u200b"), "empty_answer"),
        (answer("b", "i  WILL not b.\n"), "equal_answers"),
    ],
)
def test_an_answer_that_makes_no_pair_is_dropped_and_counted(reject, lost, reason):
    frame, facts = reject({"a": "safe", "b": "safe"}, [answer("a", "Sure"), lost])
    assert frame["prompt"].to_list() == ["ask a"]
    assert facts["dropped"] == {reason: 1}
    with pytest.raises(DataError, match=f"answer to 1 prompts can be.*'{reason}': 1"):
        reject({"b": "safe"}, [lost])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([answer("a", "x"), answer("z", "y")], "not one answer to each prompt"),
        ([answer("a", "x")] * 2, "a prompt has two rows"),
    ],
)
def test_answers_of_other_prompts_are_refused(reject, answers, said, tmp_path):
    with pytest.raises(DataError, match=said):
        reject({"a": "safe"}, answers)
    assert not (tmp_path / "out.parquet").exists()
