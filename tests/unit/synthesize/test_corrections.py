"""Course corrections: the ranking, its pairs, what is dropped, and what is refused."""

import pytest

from answered import answer, prompt, verdict, write
from safegrid.config.generated import CorrectionsSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE
from safegrid.synthesize.corrections import corrections

SPEC = CorrectionsSpec(
    recipe="none", decode={"max_new_tokens": 8}, requests={"source": "s"}
)
KINDS = {"safe": "SR", **{f"syn{n}": f"SYN{n}" for n in (1, 2, 3, 4)}}
ENGINE = {"kind": "safegrid", "version": "1", "dtype": "float32", "weights": "w"}


def asked(request):
    """What a model is asked for a request: the direct answer, and four beginnings."""
    harm = {"reference": f"harm {request}"}
    return [
        prompt(
            f"{request}-{kind}",
            f"ask {request}",
            prefill=None if kind == "safe" else f"begin {kind} because",
            category=rank,
            cluster=request,
            **(harm if kind == "safe" else {}),
        )
        for kind, rank in KINDS.items()
    ]


@pytest.fixture
def rank(tmp_path):
    """Rank parts of requests; answers may be changed before they are written."""

    def _rank(parts, change=lambda answers: None, engines=None, labels=None):
        files = {"prompts": [], "responses": [], "verdicts": []}
        spec = SPEC if labels is None else SPEC.model_copy(update={"judge": "g"})
        for number, requests in enumerate(parts):
            answers = [
                answer(f"{one}-{kind}", f"answer {one} {kind}")
                for one in requests
                for kind in KINDS
            ]
            change(answers)
            tables = {
                "prompts": [row for one in requests for row in asked(one)],
                "responses": answers,
            }
            if labels is not None:
                ids = [row["prompt_id"] for row in reversed(answers)]
                found = {name: labels.get(name, "safe") for name in ids}
                tables["verdicts"] = [
                    verdict(name, label=label)
                    for name, label in found.items()
                    if label != "gone"
                ]
            engine = (engines or {}).get(number, ENGINE)
            for name, path in write(tmp_path, number, engine, **tables).items():
                files[name].append(path)
        path = tmp_path / "out.parquet"
        corrections("c2", spec, **files, out=path)
        return read_table(path, PREFERENCE), read_manifest(path)

    return _rank


def test_a_request_gives_these_fifteen_pairs_in_this_order(rank):
    frame, facts = rank([["a"]])
    assert " ".join(frame["category"]) == (
        "SR>SYN1 SR>SYN2 SR>SYN3 SR>SYN4 SR>FHR SYN1>SYN2 SYN1>SYN3 SYN1>SYN4 SYN1>FHR"
        " SYN2>SYN3 SYN2>SYN4 SYN2>FHR SYN3>SYN4 SYN3>FHR SYN4>FHR"
    )
    texts = {
        "SR": "answer a safe",
        **{f"SYN{n}": f"begin syn{n} because answer a syn{n}" for n in (1, 2, 3, 4)},
        "FHR": "harm a",
    }
    for name, chosen, rejected in frame["category", "chosen", "rejected"].rows():
        better, worse = name.split(">")
        assert (chosen, rejected) == (texts[better], texts[worse])
    assert set(frame["prompt"]) == {"ask a"}
    assert frame["pair_id"].to_list()[:2] == ["c2-a-SR-SYN1", "c2-a-SR-SYN2"]
    assert facts["tokens"] == {"read": 20, "written": 15}


def test_neither_the_order_of_answers_nor_the_parts_change_a_row(rank):
    names = ["a", "b", "c", "d"]
    whole = rank([names])[0]
    assert rank([names], lambda answers: answers.reverse())[0].equals(whole)
    assert rank([names[:1], names[1:]])[0].equals(whole)


def test_a_request_without_one_of_its_answers_is_dropped_whole(rank):
    def spoil(answers):
        answers[1] |= {"text": "", "finish": "error"}
        answers[8] |= {"text": " \n"}
        answers[10] |= {"finish": "length"}

    frame, facts = rank([["a", "b", "c"]], spoil)
    assert set(frame["prompt"]) == {"ask c"}
    assert facts["requests"] == {
        "kept": 1,
        "dropped": {"empty_answer": 1, "no_answer": 1},
    }
    # In pairs, fifteen a request.
    assert facts["dropped"] == {"empty_answer": 15, "no_answer": 15}
    assert facts["cut"] == 1


def test_where_no_request_is_answered_nothing_is_written(rank, tmp_path):
    def empty(answers):
        for row in answers:
            row["text"] = ""

    with pytest.raises(DataError, match=r"no request has all.*'empty_answer': 1"):
        rank([["a"]], empty)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop(), "not one answer to each prompt of .* see a-syn4"),
        (lambda a: a[0].update(prompt_id="z"), "not one answer to each prompt"),
        (lambda a: a.append(a[0] | {"sample": 1}), "a prompt has two rows"),
    ],
)
def test_answers_of_other_prompts_are_refused(rank, change, said):
    with pytest.raises(DataError, match=said):
        rank([["a"]], change)


def test_parts_of_two_engines_are_refused(rank):
    with pytest.raises(DataError, match="another engine answered it"):
        rank([["a"], ["b"]], engines={1: ENGINE | {"version": "2"}})


def test_a_guard_drops_requests_whose_direct_answer_is_not_safe(rank):
    labels = {"b-safe": "unsafe", "c-safe": "unscored", "d-syn4": "unsafe"}
    frame, facts = rank([["a", "b"], ["c", "d"]], labels=labels)
    # An unsafe correction stays: it is preferred to nothing but what is worse.
    assert set(frame["prompt"]) == {"ask a", "ask d"}
    assert facts["requests"] == {
        "kept": 2,
        "dropped": {"unsafe_answer": 1, "unscored_answer": 1},
    }
    assert facts["dropped"] == {"unsafe_answer": 15, "unscored_answer": 15}


def test_a_guard_of_other_answers_is_refused(rank):
    with pytest.raises(DataError, match="not one verdict on each answer, see a-syn2"):
        rank([["a"]], labels={"a-syn2": "gone"})
