"""A world is built the same twice, and no two of its parts share a request."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from miniworld import build
from miniworld.build import WRITERS, build_world
from miniworld.plan import check_apart
from miniworld.words import FORMS, PLACES, WRAPPINGS
from safegrid.config import World
from safegrid.core.artifacts import sha256_file
from safegrid.core.errors import DataError


def changed(world: World, **rows: int) -> World:
    return world.model_copy(update={"rows": world.rows.model_copy(update=rows)})


def test_same_seed_gives_same_bytes(tiny: World, raw: Path, tmp_path: Path) -> None:
    build_world(tiny, tmp_path)
    for name in WRITERS:
        folder = f"tiny-{name}"
        assert sha256_file(tmp_path / folder) == sha256_file(raw / folder)


def test_another_seed_gives_other_rows(tiny: World, raw: Path, tmp_path: Path) -> None:
    build_world(tiny.model_copy(update={"seed": tiny.seed + 1}), tmp_path)
    for path in (
        "tiny-alert/alert.jsonl",
        "tiny-corpus/documents.jsonl",
        "tiny-tasks/tiny_facts.jsonl",
    ):
        assert sha256_file(tmp_path / path) != sha256_file(raw / path)


def test_every_folder_ends_with_a_manifest_that_counts(raw: Path) -> None:
    for name in WRITERS:
        manifest = json.loads((raw / f"tiny-{name}" / "manifest.json").read_text())
        assert manifest["shared_requests"] == 0
        assert manifest["requests"]["corpus"] > 0
        for path, count in manifest["rows"].items():
            assert rows_of(raw / f"tiny-{name}" / path) == count, path


def rows_of(path: Path) -> int:
    text = path.read_text("utf-8")
    if path.suffix != ".json":
        return len(text.splitlines()) - (path.suffix == ".csv")
    found = json.loads(text)
    return len(found["instructions"] if isinstance(found, dict) else found)


def test_later_writers_leave_the_files_before_them_as_they_were(
    tiny: World, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that studies have of a world are not made again for a new source."""
    names = list(WRITERS)
    first = names[: names.index("corpus") + 1]
    monkeypatch.setattr(build, "WRITERS", {name: WRITERS[name] for name in first})
    build_world(tiny, tmp_path)
    for name in first:
        for path in (tmp_path / f"tiny-{name}").rglob("*"):
            if path.is_file() and path.name != "manifest.json":
                same = raw / path.relative_to(tmp_path)
                assert sha256_file(path) == sha256_file(same), path


def act_of(text: str) -> str | None:
    """Find the place that a text names and the four words before it."""
    for place in PLACES:
        if place in text:
            return f"{' '.join(text.partition(place)[0].split()[-4:])} {place}"
    return None


# Files of one part may share requests. So may those that models or judges learn from:
# what is measured on one model is held out from all of them.
PARTS = {
    "alert": ["tiny-alert/alert.jsonl"],
    "alert_dev": ["tiny-alert/dev.jsonl"],
    "xstest": ["tiny-xstest/xstest_prompts.csv"],
    "xstest_dev": ["tiny-xstest/dev.csv"],
    "pku_train": ["tiny-pku/train.jsonl", "tiny-safety/safety_only.json"],
    "pku_dev": ["tiny-pku/dev.jsonl"],
    "toxicity": ["tiny-toxicity/prompts.jsonl"],
    "corpus": ["tiny-corpus/documents.jsonl", "tiny-instructions/train.json"],
    "judge_train": [
        "tiny-judging/guard_train.jsonl",
        "tiny-reward-rows/train.jsonl",
        "tiny-harmfulness-rows/train.jsonl",
    ],
    "judge_test": [
        "tiny-judging/guard_test.jsonl",
        "tiny-reward-rows/test.jsonl",
        "tiny-harmfulness-rows/test.jsonl",
    ],
    "facts": ["tiny-tasks/tiny_facts.jsonl"],
    "math": ["tiny-tasks/tiny_math.jsonl"],
    "math_dev": ["tiny-tasks/dev/tiny_dev_math.jsonl"],
    "instructions_test": ["tiny-instructions/test.json"],
    "sets": [
        f"tiny-sets/{name}.json"
        for name in (
            "I-Alpaca",
            "I-CoNa",
            "I-Controversial",
            "I-MaliciousInstructions",
            "I-PhysicalSafetySafe",
            "I-PhysicalSafetyUnsafe",
            "Q-Harm",
        )
    ],
}
# A reward model learns from questions of the corpus and is measured on the tasks'.
ASKED_TWICE = {
    frozenset(pair)
    for pair in [
        ("judge_train", "corpus"),
        ("judge_test", "math"),
        ("judge_test", "facts"),
        ("judge_test", "instructions_test"),
        ("instructions_test", "math"),
        ("instructions_test", "facts"),
    ]
}


# The sets ask for acts of ALERT's part in other requests, as do held-out instructions
# with XSTest's.
IN_ONE_PART = [{"alert", "sets"}, {"xstest", "instructions_test"}]


def asked_in(row: dict[str, Any]) -> str:
    """Return what a row asks for, whichever upstream wrote its file."""
    if "messages" in row:
        return str(row["messages"][0]["content"])
    if "instruction" in row:
        return f"{row['instruction']} {row.get('input', '')}".strip()
    text = row["prompt"] if "prompt" in row else row["question"]
    return str(text["text"] if isinstance(text, dict) else text)


def test_files_share_no_prompt_and_no_act(rows) -> None:  # type: ignore[no-untyped-def]
    """Read from the files, apart from what the generator believes."""
    texts = {
        part: {asked_in(row) for path in paths for row in rows(path)}
        for part, paths in PARTS.items()
    }
    acts = {part: {act_of(text) for text in own} for part, own in texts.items()}
    for one, other in combinations(PARTS, 2):
        shared = (acts[one] & acts[other]) - {None}
        assert not shared or {one, other} in IN_ONE_PART, (one, other)
        if frozenset((one, other)) not in ASKED_TWICE:
            assert not texts[one] & texts[other], (one, other)


def test_a_shared_request_is_refused_by_name() -> None:
    parts = {"alert": {"a", "b"}, "corpus": {"b", "c"}, "pku_train": {"d"}}
    with pytest.raises(DataError, match=r"alert and corpus share 1 requests.*'b'"):
        check_apart(parts)
    parts["corpus"].discard("b")
    assert check_apart(parts) == {"alert": 2, "corpus": 1, "pku_train": 1}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"alert": 500}, "alert: hate_women: asks for 500 requests of a pool"),
        ({"pku_train": 10**6}, "pku_train: asks for"),
        ({"tasks": 5000}, "tasks: .*lower"),
    ],
)
def test_more_rows_than_the_world_holds_are_refused(
    tiny: World, tmp_path: Path, rows: dict[str, int], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        build_world(changed(tiny, **rows), tmp_path)
    assert not list(tmp_path.iterdir())


def test_templates_have_one_place_for_what_they_wrap() -> None:
    assert all(form.count("{act}") == 1 for form in FORMS)
    for wraps in WRAPPINGS.values():
        assert all(wrap.count("{request}") == 1 for wrap in wraps)
