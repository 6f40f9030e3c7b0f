"""The best of k answers: which is chosen, what is dropped, and what is refused."""

import polars as pl
import pytest

from safegrid.config.generated import BestOfKSpec
from safegrid.core.artifacts import manifest, read_manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE, VERDICT
from safegrid.synthesize.model_answers import best_of_k

K = 3
SPEC = BestOfKSpec(
    recipe="it",
    prompts={"source": "s", "file": "f", "kind": "instructions"},
    decode={"max_new_tokens": 8, "temperature": 0.85, "samples": K},
    judge="reward",
)


def prompt(name):
    return {
        **dict.fromkeys(PROMPT),
        "prompt_id": name,
        "prompt": [{"role": "user", "content": f"ask {name}"}],
        "cluster": name,
    }


def answer(name, sample, text="yes", finish="eos"):
    return {
        "prompt_id": name,
        "sample": sample,
        "text": f"{text} {sample}" if text else "",
        "n_prompt_tokens": 3,
        "n_tokens": 2,
        "finish": finish,
        "decode": "d",
    }


def verdict(name, sample, score):
    label = None if score is not None else "unscored"
    return {
        "prompt_id": name,
        "sample": sample,
        "judge": "reward",
        "label": label,
        "score": score,
        "categories": [],
        "raw": "",
    }


@pytest.fixture
def choose(tmp_path):
    """Choose from scores by prompt; files may be changed before they are written."""

    def _choose(scores, change=lambda tables: None, answers=None):
        answers = answers or [answer(p, i) for p in scores for i in range(K)]
        tables = {
            "prompts": ([prompt(name) for name in scores], PROMPT),
            "responses": (answers, RESPONSE),
            "verdicts": (
                [
                    verdict(p, i, s)
                    for p, own in scores.items()
                    for i, s in enumerate(own)
                ],
                VERDICT,
            ),
        }
        change(tables)
        files = {}
        for name, (rows, schema) in tables.items():
            files[name] = tmp_path / f"{name}.parquet"
            facts = manifest("generate", {}, {})
            write_table(files[name], pl.DataFrame(rows, schema=schema), schema, facts)
        out = tmp_path / "out.parquet"
        best_of_k(name="raft_1", spec=SPEC, **files, out=out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _choose


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
        answer("a", 0, text=""),
        *(answer("a", i) for i in (1, 2)),
        *(answer("b", i) for i in range(K)),
        *(answer("c", i, text="", finish="error") for i in range(K)),
    ]
    frame, facts = choose(
        {"a": [9.0, None, 0.5], "b": [None, None, None], "c": [None] * 3},
        answers=answers,
    )
    assert frame["chosen"].to_list() == ["yes 2"]
    assert facts["rows"] == 1
    assert facts["dropped"] == {"no_answer": 1, "no_scored_answer": 1}


def test_an_empty_best_of_k_is_an_error_and_nothing_is_written(choose, tmp_path):
    with pytest.raises(
        DataError, match=r"no answer of 2 prompts.*'no_scored_answer': 2"
    ):
        choose({"a": [None] * 3, "b": [None] * 3})
    assert not (tmp_path / "out.parquet").exists()


def test_the_order_of_rows_changes_nothing(choose):
    def shuffle(tables):
        for name in ("responses", "verdicts"):
            tables[name][0].reverse()

    scores = {"a": [0.1, 0.9, 0.5], "b": [2.0, -1.0, 3.0]}
    assert choose(scores)[0].equals(choose(scores, shuffle)[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["verdicts"][0].pop(), "5 verdicts of 6 answers"),
        (lambda t: t["verdicts"][0][0].update(prompt_id="z"), "of other answers"),
        (lambda t: t["verdicts"][0][1].update(sample=0), "expected one of each"),
        (lambda t: t["prompts"][0].pop(), "not 3 answers to each prompt"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(choose, change, said):
    with pytest.raises(DataError, match=said):
        choose({"a": [0.1, 0.9, 0.5], "b": [2.0, -1.0, 2.0]}, change)
