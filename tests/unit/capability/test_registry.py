"""Shipped tasks over local rows: upstream's scorers on answers known right or wrong."""

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.tasks._yaml_loader import load_yaml

from safegrid.capability.run import suite_results
from safegrid.capability.shipped import SHIPPED, located
from safegrid.capability.tasks import loaded_tasks, rows_left_out
from safegrid.config.benchmark import TaskEntry
from safegrid.core.errors import ConfigError

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
    return entry.model_dump(exclude={"source", "runs_code"}) | {"files": paths}


def run(name: str, folder: Path, answer: Answer, limit: int | None = None):
    model = Answers(answer)
    with loaded_tasks([name], [], {name: block(name, folder)}) as loaded:
        left_out = rows_left_out(loaded)
        results = evaluate(
            model, loaded, limit=limit, bootstrap_iters=0, confirm_run_unsafe_code=True
        )
    found = suite_results(results, ())
    values = [item["value"] for item in found["items"][name]]
    return values, found["tasks"][name], model.asked, left_out


@pytest.fixture
def write(tmp_path):
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


def refused(told: str, name: str, task: dict[str, Any]) -> None:
    with (
        pytest.raises(ConfigError, match=told),
        loaded_tasks([name], [], {name: task}),
    ):
        pass


def test_the_number_behind_the_marks_is_the_answer(write):
    folder = write("test.jsonl", SUMS)

    def answer(doc: dict[str, Any]) -> str:
        return "It is.\n#### 1001" if "1,000" in doc["question"] else "#### 5"

    values, facts, asked, _ = run("real_gsm8k_zeroshot", folder, answer)
    assert values == [1.0, 0.0]
    assert facts["metric"] == "exact_match,strict-match"
    assert asked[0] == "Question: How many are 1,000 and 1?\nAnswer:"


def test_rows_are_found_where_a_job_has_its_copy_of_them():
    folder = Path("copies/bucket/studies/results/raw/real-gsm8k")
    asked = block("real_gsm8k_zeroshot", Path("results/raw/real-gsm8k"))
    names = [Path(path).name for path in asked["files"].values()]
    found = located(
        {"task": asked}, [Path("results/raw/other/x"), *map(folder.joinpath, names)]
    )
    assert [Path(p) for p in found["task"]["files"].values()] == [
        folder / n for n in names
    ]
    assert found["task"] | {"files": asked["files"]} == asked
    with pytest.raises(ConfigError, match="not among the task files of this job"):
        located({"task": asked}, [])


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


@pytest.mark.parametrize("name", ["real_ifeval", "hub_ifeval"])
def test_instructions_are_checked_with_missing_arguments_dropped(write, name):
    # Read together, every row has every argument, most of them null.
    comma = ("punctuation:no_comma", {"num_words": None})
    longer = {"relation": "at least", "num_words": 3}
    rows = [
        ifeval(1, comma),
        ifeval(2, comma, ("length_constraints:number_words", longer)),
    ]
    sentences = {"relation": "at least", "num_sentences": 2}
    if name == "real_ifeval":
        rows.append(ifeval(3, ("length_constraints:number_sentences", sentences)))
    folder = write("input_data.jsonl", rows)
    values, facts, _, left_out = run(name, folder, lambda _: "No comma")
    assert values == [1.0, 0.0]
    assert facts["metric"] == "prompt_level_strict_acc"
    assert left_out == ({name: 1} if name == "real_ifeval" else {})
    assert run(name, folder, lambda _: "one, two, three")[0] == [0.0, 0.0]


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
    }
    question |= {"intermediate_trees": [], "intermediate_data": []}
    stories = [{"context": "A made story.", "questions": [question, question]}]
    folder = write("small_object_placements.json", stories)
    check_story("real_musr_object_placements", folder, 2)


def test_rows_of_musr_on_the_hub_are_questions_already(table):
    row = {"narrative": "A made story.", "question": "Where is it?", "answer_index": 1}
    row |= {"choices": "['the box', 'the bag']", "answer_choice": "the bag"}
    folder = table("leaderboard-musr", "object_placements", [row])
    check_story("hub_musr_object_placements", folder, 1)


def check_story(name: str, folder: Path, n: int) -> None:
    values, facts, asked, _ = run(name, folder, lambda _: "the bag")
    assert values == [1.0] * n
    assert facts["metric"] == "acc_norm"
    assert "A made story.\n\nWhere is it?\n\n1 - the box\n2 - the bag" in asked[0]
    assert run(name, folder, lambda _: "the box")[0] == [0.0] * n


def test_a_task_that_is_not_shipped_is_named(tmp_path):
    odd = block("real_gsm8k", tmp_path) | {"like": "gsm8k/gsm9k.yaml"}
    refused(r"'odd'.* ships no 'gsm8k/gsm9k.yaml'", "odd", odd)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_task_of_the_registry_is_shipped_and_has_its_files(name):
    entry = TaskEntry.model_validate(REGISTRY[name])
    shipped = load_yaml(SHIPPED / entry.like, resolve_func=False)
    assert set(entry.files.values()) <= set(SOURCES[entry.source]["files"])
    splits = {key: value for key, value in shipped.items() if key.endswith("_split")}
    assert set(entry.files) <= set(splits.values())
    assert (splits.get("test_split") or splits["validation_split"]) in entry.files
    assert shipped.get("unsafe_code", False) == entry.runs_code


# ------------------------------------------ made rows in the columns of the hub's sets


@pytest.fixture
def table(tmp_path):
    """Write rows as the file of a source, parquet or csv as its name says."""

    def _table(source: str, file: str, rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / SOURCES[source]["files"][file]
        path.parent.mkdir(exist_ok=True)
        frame = pd.DataFrame(rows)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return tmp_path

    return _table


def test_five_examples_stand_before_a_question_of_mmlu_pro(table):
    rows = [
        {"question": f"{n} and 1?", "options": ["0", str(n + 1), "9"], "answer": "B"}
        for n in range(6)
    ]
    table("leaderboard-mmlu-pro", "validation", rows)
    folder = table("leaderboard-mmlu-pro", "test", rows[:2])
    values, facts, asked, _ = run("real_mmlu_pro", folder, lambda _: "B")
    assert values == [1.0, 1.0]
    assert facts["metric"] == "acc"
    assert asked[0].endswith("0 and 1?\nA. 0\nB. 1\nC. 9\nAnswer:")
    assert asked[0].count("Answer: B") == 5
    assert run("real_mmlu_pro", folder, lambda _: "C")[0] == [0.0, 0.0]


@pytest.mark.parametrize("part", ["diamond", "extended", "main"])
def test_choices_of_gpqa_are_shuffled_alike_in_every_run(table, part):
    rows = [
        {
            "Question": f"Which is {right}?",
            "Correct Answer": right,
            "Incorrect Answer 1": "this, or that",
            "Incorrect Answer 2": 'so "called"',
            "Incorrect Answer 3": "one\nand two",
        }
        for right in ("red", "green", "blue", "grey", "pink", "brown")
    ]
    folder = table("leaderboard-gpqa", part, rows)
    name = f"real_gpqa_{part}"
    values, facts, asked, _ = run(name, folder, lambda doc: doc["answer"])
    assert values == [1.0] * 6
    assert facts["metric"] == "acc_norm"
    first, _, again, _ = run(name, folder, lambda _: "(A)")
    assert again == asked
    # The right choice moves, so one letter is right here and wrong there.
    assert 0 < sum(first) + sum(run(name, folder, lambda _: "(B)")[0]) < 6


def test_of_math_the_hardest_sums_are_asked_and_read_as_sums(table):
    rows = [
        {"problem": "1+1?", "level": "Level 5", "solution": r"It is $\boxed{2}$."},
        {"problem": "1/2?", "level": "Level 5", "solution": r"$\boxed{\frac{1}{2}}$"},
        {"problem": "1+2?", "level": "Level 1", "solution": r"$\boxed{3}$"},
    ]
    folder = table("leaderboard-math", "test", rows)
    said = "Final Answer: The final answer is $0.5$. I hope it is correct."
    values, facts, asked, left_out = run("real_math_hard", folder, lambda _: said)
    assert values == [0.0, 1.0]
    assert facts["metric"] == "exact_match"
    assert left_out == {"real_math_hard": 1}
    assert asked[0].count("Problem:") == 5


DOUBLED = {
    "task_id": "made/0",
    "prompt": 'def double(n):\n    """Return n and n."""\n',
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(3) == 6\n",
    "entry_point": "double",
}


def test_code_is_right_when_it_passes_its_tests(table, monkeypatch):
    folder = table("humaneval", "test", [DOUBLED, DOUBLED | {"task_id": "made/1"}])
    monkeypatch.setenv("SAFEGRID_RUN_CODE", "another,real_humaneval")

    def answer(doc: dict[str, Any]) -> str:
        right = doc["task_id"] == "made/0"
        return "    return n + n\n```\nDone." if right else "    return n ** 2\n"

    values, facts, asked, _ = run("real_humaneval", folder, answer)
    assert values == [1.0, 0.0]
    assert facts["metric"] == "pass@1,create_test"
    assert asked[0].startswith("Write a solution to the following problem")


def test_no_code_is_run_without_consent_whatever_the_folder_is_called(
    table, monkeypatch
):
    monkeypatch.setenv("SAFEGRID_RUN_CODE", "real_human")
    folder = table("humaneval", "test", [DOUBLED])
    odd = folder.rename(folder.with_name("my [v2] *?' ~ $HOME run"))
    name = "real_humaneval"
    refused("set SAFEGRID_RUN_CODE=real_humaneval", name, block(name, odd))


def test_rows_of_two_kinds_are_refused(tmp_path):
    odd = block("real_arc_challenge", tmp_path)
    odd["files"]["train"] = "train.csv"
    refused(r"end in .csv, .parquet; expected files of one", "odd", odd)


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
        ("real_bbh_snarks", "bbh", lambda doc: doc["target"]),
        ("real_musr_murder_mysteries", "musr", lambda doc: doc["answer_choice"]),
        ("real_musr_object_placements", "musr", lambda doc: doc["answer_choice"]),
        ("real_musr_team_allocation", "musr", lambda doc: doc["answer_choice"]),
    ],
)
def test_right_answers_to_real_rows_score_one_and_wrong_ones_zero(
    name, folder, right, tmp_path
):
    for path in (SHARED / folder).iterdir():
        # Of GSM8K's rows for training the first ones only are at hand.
        (tmp_path / path.name.replace("_head200", "")).symlink_to(path)
    values, _, asked, _ = run(name, tmp_path, right, limit=4)
    assert values == [1.0] * 4
    examples = asked[0].count("Question:") if folder == "gsm8k" else 1
    assert examples == (6 if name == "real_gsm8k" else 1)
    assert run(name, tmp_path, wrong, limit=4)[0] == [0.0] * 4


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


QUESTIONS = {
    "real_arc_challenge": (
        {
            "id": "1",
            "question": "Which is a plant?",
            "choices": {"text": ["iron", "moss"], "label": ["A", "B"]},
            "answerKey": "B",
        },
        "moss",
    ),
    "hub_bbh_navigate": ({"input": "Made: back?", "target": "No"}, "No"),
    "real_boolq": ({"passage": "A.", "question": "is it", "label": 1}, "yes"),
    "real_openbookqa": (
        {
            "id": "1",
            "question_stem": "The day star is",
            "choices": {"text": ["a moon", "the sun"], "label": ["A", "B"]},
            "answerKey": "B",
        },
        "the sun",
    ),
    "real_piqa": (
        {"goal": "Dry it", "sol1": "a lake", "sol2": "a towel", "label": 1},
        "a towel",
    ),
}


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_questions_with_choices_go_by_the_likeliest_choice(name, tmp_path):
    row, right = QUESTIONS[name]
    for path in block(name, tmp_path)["files"].values():
        Path(path).parent.mkdir(exist_ok=True)
        pd.DataFrame([row]).to_parquet(path)
    values, facts, asked, _ = run(name, tmp_path, lambda doc: right)
    assert values == [1.0]
    assert facts["metric"] == ("acc_norm" if name == "hub_bbh_navigate" else "acc")
    assert len(asked) == 2
    assert asked[0].count("Q: ") == (4 if name == "hub_bbh_navigate" else 0)
    # Where all are alike, the first is taken.
    assert run(name, tmp_path, lambda doc: "another")[0] == [0.0]
