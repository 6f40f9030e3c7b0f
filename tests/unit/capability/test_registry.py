"""Shipped tasks over local rows: upstream's scorers on answers known right or wrong."""

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate

from safegrid.capability.results import suite_results
from safegrid.capability.tasks import loaded_tasks, rows_left_out
from safegrid.config.study import TaskEntry
from safegrid.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
REGISTRY = yaml.safe_load((ROOT / "config/tasks.yaml").read_text())
SOURCES = yaml.safe_load((ROOT / "config/sources.yaml").read_text())

Answer = Callable[[dict[str, Any]], str]


class Answers(LM):  # type: ignore[misc]
    """Answers each document as a function says; keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[str] = []

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        self.asked += [request.args[0] for request in requests]
        return [self.answer(request.doc) for request in requests]

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[Any]:
        self.asked += [request.args[0] for request in requests]
        right = [
            request.args[1].strip() == self.answer(request.doc) for request in requests
        ]
        return [(0.0 if hit else -99.0, hit) for hit in right]

    def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[float]:
        raise NotImplementedError


def block(name: str, folder: Path) -> dict[str, Any]:
    """A task of the registry whose rows lie in a folder, by the source's file names."""
    entry = TaskEntry.model_validate(REGISTRY[name])
    files = SOURCES[entry.source]["files"]
    paths = {split: str(folder / files[f]) for split, f in entry.files.items()}
    return entry.model_dump(exclude={"source"}) | {"files": paths}


def run(name: str, folder: Path, answer: Answer, limit: int | None = None):
    model = Answers(answer)
    with loaded_tasks([name], [], {name: block(name, folder)}) as loaded:
        left_out = rows_left_out(loaded)
        results = evaluate(model, loaded, limit=limit, bootstrap_iters=0)
    found = suite_results(results, ())
    values = [item["value"] for item in found["items"][name]]
    return values, found["tasks"][name], model.asked, left_out


@pytest.fixture
def write(tmp_path: Path):
    def _write(name: str, rows: Any) -> Path:
        text = (
            "".join(json.dumps(row) + "\n" for row in rows)
            if name.endswith("l")
            else json.dumps(rows)
        )
        (tmp_path / name).write_text(text)
        return tmp_path

    return _write


SUMS = [
    {"question": "How many are 1,000 and 1?", "answer": "So it is.\n#### 1,001"},
    {"question": "How many are 2 and 2?", "answer": "So it is.\n#### 4"},
]


def test_the_number_behind_the_marks_is_the_answer(write):
    write("train_head200.jsonl", SUMS)
    folder = write("test.jsonl", SUMS)

    def answer(doc: dict[str, Any]) -> str:
        return "It is.\n#### 1001" if "1,000" in doc["question"] else "#### 5"

    values, facts, asked, _ = run("real_gsm8k_zeroshot", folder, answer)
    assert values == [1.0, 0.0]
    assert facts["metric"] == "exact_match,strict-match"
    assert asked[0] == "Question: How many are 1,000 and 1?\nAnswer:"


@pytest.mark.parametrize(
    ("said", "values"), [("yes", [1.0, 0.0]), ("no", [0.0, 1.0]), ("maybe", [0, 0])]
)
def test_sports_are_answered_in_lower_case(write, said, values):
    examples = [{"input": "One?", "target": "yes"}, {"input": "Two?", "target": "no"}]
    rows = {"canary": "made", "examples": examples}
    folder = write("sports_understanding.json", rows)
    found, facts, _, _ = run("real_bbh_sports_understanding", folder, lambda _: said)
    assert found == values
    assert facts["metric"] == "exact_match,strict-match"


def ifeval(key: int, *instructions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "key": key,
        "prompt": "Write a made text.",
        "instruction_id_list": [name for name, _ in instructions],
        "kwargs": [arguments for _, arguments in instructions],
    }


def test_instructions_are_checked_with_missing_arguments_dropped(write):
    comma = ("punctuation:no_comma", {})
    longer = (
        "length_constraints:number_words",
        {"relation": "at least", "num_words": 3},
    )
    sentences = (
        "length_constraints:number_sentences",
        {"relation": "at least", "num_sentences": 2},
    )
    # Read together, every row has every argument, most of them null.
    rows = [ifeval(1, comma), ifeval(2, comma, longer), ifeval(3, sentences)]
    folder = write("input_data.jsonl", rows)
    values, facts, _, left_out = run("real_ifeval", folder, lambda _: "No comma")
    assert values == [1.0, 0.0]
    assert facts["metric"] == "prompt_level_strict_acc"
    assert left_out == {"real_ifeval": 1}
    values, _, _, _ = run("real_ifeval", folder, lambda _: "one, two, three")
    assert values == [0.0, 0.0]


def test_sentences_need_their_splitter(write, monkeypatch):
    import nltk

    def missing(_: str) -> None:
        raise LookupError

    monkeypatch.setattr(nltk.data, "find", missing)
    folder = write("input_data.jsonl", [ifeval(1, ("punctuation:no_comma", {}))])
    with pytest.raises(ConfigError, match="downloader punkt_tab"):
        run("real_ifeval_full", folder, lambda _: "")


def test_stories_become_questions_with_choices(write):
    question = {
        "question": "Where is it?",
        "answer": 1,
        "choices": ["the box", "the bag"],
        "intermediate_trees": [],
        "intermediate_data": [],
    }
    stories = [{"context": "A made story.", "questions": [question, question]}]
    folder = write("small_object_placements.json", stories)
    name = "real_musr_object_placements"
    values, facts, asked, _ = run(name, folder, lambda _: "the bag")
    assert values == [1.0, 1.0]
    assert facts["metric"] == "acc_norm"
    assert "A made story.\n\nWhere is it?\n\n1 - the box\n2 - the bag" in asked[0]
    assert run(name, folder, lambda _: "the box")[0] == [0.0, 0.0]


def test_a_task_that_is_not_shipped_is_named(tmp_path):
    odd = block("real_gsm8k", tmp_path) | {"like": "gsm8k/gsm9k.yaml"}
    with (
        pytest.raises(ConfigError, match=r"'odd'.* ships no 'gsm8k/gsm9k.yaml'"),
        loaded_tasks(["odd"], [], {"odd": odd}),
    ):
        pass


@pytest.mark.parametrize("name", REGISTRY)
def test_every_task_of_the_registry_is_shipped_and_has_its_files(name):
    from safegrid.capability.shipped import SHIPPED

    entry = TaskEntry.model_validate(REGISTRY[name])
    shipped = (SHIPPED / entry.like).read_text()
    assert set(entry.files.values()) <= set(SOURCES[entry.source]["files"])
    template = (SHIPPED / entry.like).parent / "_zeroshot_template_yaml"
    text = shipped + (template.read_text() if template.is_file() else "")
    for split in entry.files:
        assert f"{split}" in text


# ------------------------------------------------------------------ real rows

real = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"no rows of the real sets in {SHARED}; set SAFEGRID_SHARED_DATA to a copy",
)


def last_number(doc: dict[str, Any]) -> str:
    return "#### " + doc["answer"].rpartition("#### ")[2]


def wrong(doc: dict[str, Any]) -> str:
    choices = ast.literal_eval(doc.get("choices", "['qqq']"))
    return next(choice for choice in choices if choice != doc.get("answer_choice"))


@pytest.mark.slow
@real
@pytest.mark.parametrize(
    ("name", "folder", "right"),
    [
        ("real_gsm8k", "gsm8k", last_number),
        ("real_gsm8k_zeroshot", "gsm8k", last_number),
        ("real_bbh_sports_understanding", "bbh", lambda doc: doc["target"]),
        ("real_bbh_web_of_lies", "bbh", lambda doc: doc["target"]),
        ("real_bbh_formal_fallacies", "bbh", lambda doc: doc["target"]),
        ("real_bbh_snarks", "bbh", lambda doc: doc["target"]),
        ("real_musr_murder_mysteries", "musr", lambda doc: doc["answer_choice"]),
        ("real_musr_object_placements", "musr", lambda doc: doc["answer_choice"]),
        ("real_musr_team_allocation", "musr", lambda doc: doc["answer_choice"]),
    ],
)
def test_right_answers_to_real_rows_score_one_and_wrong_ones_zero(name, folder, right):
    values, _, asked, _ = run(name, SHARED / folder, right, limit=4)
    assert values == [1.0] * 4
    examples = asked[0].count("Question:") if folder == "gsm8k" else 1
    assert examples == (6 if name == "real_gsm8k" else 1)
    assert run(name, SHARED / folder, wrong, limit=4)[0] == [0.0] * 4


@pytest.mark.slow
@real
def test_every_real_row_of_ifeval_is_asked_or_counted():
    lines = (SHARED / "ifeval/input_data.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    sentences = ("number_sentences", "capital_word_frequency")
    cut = [
        row
        for row in rows
        if any(s in str(row["instruction_id_list"]) for s in sentences)
    ]
    values, _, _, left_out = run("real_ifeval", SHARED / "ifeval", lambda _: "Qq, qq.")
    assert len(rows) == 541
    assert left_out == {"real_ifeval": len(cut)}
    assert len(values) == 541 - len(cut)
    commas = [r for r in rows if r["instruction_id_list"] == ["punctuation:no_comma"]]
    assert commas
    plain = run("real_ifeval", SHARED / "ifeval", lambda _: "Qq qq.")[0]
    assert sum(plain) >= sum(values) + len(commas)


@pytest.mark.slow
@real
@pytest.mark.parametrize("name", [n for n in REGISTRY if n.startswith("real_bbh_")])
def test_every_real_row_of_bbh_is_asked(name):
    path = SHARED / "bbh" / f"{name.removeprefix('real_bbh_')}.json"
    examples = json.loads(path.read_text())["examples"]
    values, facts, _, _ = run(name, SHARED / "bbh", lambda doc: doc["target"])
    assert len(values) == len(examples)
    assert values == [1.0] * len(examples)
    assert facts["metric"] == "exact_match,strict-match"


@pytest.mark.slow
@real
def test_real_gsm8k_in_full_is_read():
    name = "real_gsm8k_zeroshot"
    values, _, _, _ = run(name, SHARED / "gsm8k", last_number)
    assert values == [1.0] * 1319
