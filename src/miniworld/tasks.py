"""lm-evaluation-harness tasks over local files: one YAML and one JSON-lines each.

`data_files` names a file beside the YAML, so lm-eval alone must be started in that
folder; our capability stage resolves it wherever it runs.
"""

from typing import Any

import yaml

from miniworld.plan import Plan
from miniworld.skills import Item
from miniworld.source import Source, jsonl

VERSION = 1
# No right answer of this world is longer than that many tokens.
LONGEST_ANSWER = 24


def tasks_source(plan: Plan) -> Source:
    """Write the four tasks, and the same on a development part under `dev/`."""
    rows = plan.world.rows
    files: dict[str, str] = {}
    counts: dict[str, int] = {}
    requests: dict[str, set[str]] = {}
    for part, prefix, count in (
        ("tasks", "{world}_", rows.tasks),
        ("tasks_dev", "dev/{world}_dev_", rows.tasks_dev),
    ):
        requests[part] = set()
        for skill in plan.skills:
            path = prefix.format(world=plan.world.name) + skill
            items = _items(plan, part, skill, count)
            files[f"{path}.yaml"] = _yaml(path.rpartition("/")[2], items)
            files[f"{path}.jsonl"] = jsonl(_row(item) for item in items)
            counts[f"{path}.jsonl"] = count
            requests[part].update(item.question for item in items)
    return Source(files, counts, requests)


def _items(plan: Plan, part: str, skill: str, count: int) -> list[Item]:
    rng = plan.rng(f"{part} {skill}")
    draw = plan.skills[skill]
    return plan.draw_distinct(part, count, lambda: draw(rng), lambda i: i.question)


def _row(item: Item) -> dict[str, Any]:
    if not item.choices:
        return {"question": item.question, "answer": item.answer}
    return {
        "question": item.question,
        "choices": list(item.choices),
        "answer": item.choices.index(item.answer),
    }


def _yaml(task: str, items: list[Item]) -> str:
    chosen = bool(items[0].choices)
    block: dict[str, Any] = {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{task}.jsonl"}},
        "test_split": "test",
        "doc_to_text": "{{question}}",
        "metadata": {"version": VERSION},
    }
    block |= _multiple_choice() if chosen else _free_answer()
    return yaml.safe_dump(block, sort_keys=False)


def _multiple_choice() -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        # The chat template ends where the answer begins.
        "target_delimiter": "",
        "metric_list": [_metric("acc")],
    }


def _free_answer() -> dict[str, Any]:
    return {
        "output_type": "generate_until",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {
            "until": ["\n"],
            "do_sample": False,
            "max_gen_toks": LONGEST_ANSWER,
        },
        "metric_list": [_metric("exact_match")],
    }


def _metric(name: str) -> dict[str, Any]:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}
