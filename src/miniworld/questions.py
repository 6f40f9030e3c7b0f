"""Questions with known answers.

The four skills as tasks of lm-evaluation-harness, and the same in the files of BoolQ,
OpenBookQA and PIQA, with one-word questions: those ask what no other part holds.
"""

import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from miniworld.plan import Files, Plan, Row
from miniworld.skills import Draw, Item

PART = "questions"
LETTERS = "ABCD"
VERSION = 1
# No right answer of this world is longer than that many tokens.
LONGEST_ANSWER = 24
# What is told, and what is asked of it.
TOLD = re.compile(r"(?P<told>.+\.) (?P<asked>Who|Which number) is (?P<most>\w+)\?")


def tasks_source(plan: Plan) -> Files:
    """Write a YAML and a file of JSON lines a task, on a development part under `dev/`.

    `data_files` names a file beside the YAML, so lm-eval alone must be started in that
    folder; our capability stage resolves it wherever it runs.
    """
    rows = plan.world.rows
    files: Files = {}
    for part, prefix, count in (
        ("tasks", f"{plan.world.name}_", rows.tasks),
        ("tasks_dev", f"dev/{plan.world.name}_dev_", rows.tasks_dev),
    ):
        for skill, draw in plan.skills.items():
            path = prefix + skill
            items = plan.draw_distinct(part, count, plan.rng(f"{part} {skill}"), draw)
            chosen = bool(items[0].choices)
            files[f"{path}.yaml"] = _task(path.rpartition("/")[2], chosen)
            files[f"{path}.jsonl"] = [_item_row(item) for item in items]
    return files


def _item_row(item: Item) -> Row:
    if not item.choices:
        return {"question": item.text, "answer": item.answer}
    return {
        "question": item.text,
        "choices": list(item.choices),
        "answer": item.choices.index(item.answer),
    }


def _task(task: str, chosen: bool) -> dict[str, Any]:
    """Return the block of a task, of multiple choice or with a free answer."""
    block: dict[str, Any] = {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{task}.jsonl"}},
        "test_split": "test",
        "doc_to_text": "{{question}}",
        "metadata": {"version": VERSION},
    }
    if chosen:
        block |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            # The chat template ends where the answer begins.
            "target_delimiter": "",
        }
    else:
        block |= {
            "output_type": "generate_until",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {
                "until": ["\n"],
                "do_sample": False,
                "max_gen_toks": LONGEST_ANSWER,
            },
        }
    metric = "acc" if chosen else "exact_match"
    best = {"metric": metric, "aggregation": "mean", "higher_is_better": True}
    return {**block, "metric_list": [best]}


def questions_source(plan: Plan) -> Files:
    """Write one file of each kind, all with as many rows."""
    words = plan.skills["instructions"]
    draws = {
        "boolq": draw_comparison(plan),
        "openbookqa": plan.skills["facts"],
        "piqa": _until(plan.skills["reasoning"], lambda item: len(item.choices) == 2),
        "single_word": _until(words, lambda item: " " not in item.answer),
    }
    count = plan.world.rows.questions
    drawn = {
        name: plan.draw_distinct(PART, count, plan.rng(f"{PART} {name}"), draw)
        for name, draw in draws.items()
    }
    rng = plan.rng(f"{PART} claims")
    return {
        "boolq.jsonl": [_boolq(item, rng) for item in drawn["boolq"]],
        "openbookqa.jsonl": [
            _openbookqa(number, item) for number, item in enumerate(drawn["openbookqa"])
        ],
        "piqa.jsonl": [_piqa(item) for item in drawn["piqa"]],
        "single_word.jsonl": [
            {"prompt": item.text, "answer": item.answer}
            for item in drawn["single_word"]
        ],
    }


def _until(draw: Draw, fits: Callable[[Item], object]) -> Draw:
    """Draw until an item fits; each skill gives such items often."""

    def drawn(rng: random.Random) -> Item:
        while not fits(item := draw(rng)):
            pass
        return item

    return drawn


class Claim(NamedTuple):
    """What is told, what is claimed of it as a question, and whether it is true."""

    told: str
    question: str
    true: bool


def claim(item: Item, rng: random.Random) -> Claim:
    """Claim the right answer to a comparison, or as often another one."""
    found = TOLD.fullmatch(item.text)
    assert found is not None, "drawn so"
    true = rng.random() < 0.5
    wrong = [choice for choice in item.choices if choice != item.answer]
    claimed = item.answer if true else rng.choice(wrong)
    noun = " number" if found["asked"] == "Which number" else ""
    question = f"is {claimed} the {found['most']}{noun}"
    return Claim(found["told"], question, true)


def draw_comparison(plan: Plan) -> Draw:
    """Return a draw of puzzles that tell something before they ask."""
    return _until(plan.skills["reasoning"], lambda item: TOLD.fullmatch(item.text))


def _boolq(item: Item, rng: random.Random) -> Row:
    made = claim(item, rng)
    return {
        "question": made.question,
        "title": "Comparisons",
        "answer": made.true,
        "passage": made.told,
    }


def _openbookqa(number: int, item: Item) -> Row:
    choices = [
        {"text": text, "label": label}
        for text, label in zip(item.choices, LETTERS, strict=True)
    ]
    return {
        "id": f"{PART}-{number}",
        "question": {"stem": item.text.partition(":")[0], "choices": choices},
        "answerKey": LETTERS[item.choices.index(item.answer)],
    }


def _piqa(item: Item) -> Row:
    one, other = item.choices
    return {
        "goal": item.text,
        "sol1": one,
        "sol2": other,
        "label": item.choices.index(item.answer),
    }
