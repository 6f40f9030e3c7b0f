"""A world grows the same twice, and no two of its parts share a request."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from safegrid.artifacts import sha256_file
from safegrid.config import World
from safegrid.errors import DataError
from safegrid.miniworld.attacks import ATTACKS, JAILBREAKS, PREFIXES, SUFFIXES
from safegrid.miniworld.grow import WRITERS, grow_world
from safegrid.miniworld.plan import check_apart
from safegrid.miniworld.words import FORMS, PLACES


def changed(world: World, **rows: int) -> World:
    return world.model_copy(update={"rows": world.rows.model_copy(update=rows)})


def test_same_seed_gives_same_bytes(tiny: World, raw: Path, tmp_path: Path) -> None:
    grow_world(tiny, tmp_path)
    for name in WRITERS:
        folder = f"tiny-{name}"
        assert sha256_file(tmp_path / folder) == sha256_file(raw / folder)


def test_another_seed_gives_other_rows(tiny: World, raw: Path, tmp_path: Path) -> None:
    grow_world(tiny.model_copy(update={"seed": tiny.seed + 1}), tmp_path)
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
            lines = (raw / f"tiny-{name}" / path).read_text("utf-8").splitlines()
            assert len(lines) == count + path.endswith(".csv"), path


def act_of(text: str) -> str | None:
    """Find the place that a text names and the four words before it."""
    for place in PLACES:
        if place in text:
            return f"{' '.join(text.partition(place)[0].split()[-4:])} {place}"
    return None


def test_files_share_no_prompt_and_no_act(raw: Path, rows) -> None:  # type: ignore[no-untyped-def]
    """Read from the files, apart from what the generator believes."""
    prompts: dict[str, set[str]] = {}
    for part, path, key in (
        ("alert", "tiny-alert/alert.jsonl", "prompt"),
        ("alert_dev", "tiny-alert/dev.jsonl", "prompt"),
        ("xstest", "tiny-xstest/xstest_prompts.csv", "prompt"),
        ("xstest_dev", "tiny-xstest/dev.csv", "prompt"),
        ("pku_train", "tiny-pku/train.jsonl", "prompt"),
        ("pku_dev", "tiny-pku/dev.jsonl", "prompt"),
        ("judge_train", "tiny-judging/guard_train.jsonl", "prompt"),
        ("judge_test", "tiny-judging/guard_test.jsonl", "prompt"),
        ("facts", "tiny-tasks/tiny_facts.jsonl", "question"),
        ("math", "tiny-tasks/tiny_math.jsonl", "question"),
        ("math_dev", "tiny-tasks/dev/tiny_dev_math.jsonl", "question"),
    ):
        texts = {row[key] for row in rows(path)}
        prompts[part] = texts | {act for text in texts if (act := act_of(text))}
    toxicity = {row["prompt"]["text"] for row in rows("tiny-toxicity/prompts.jsonl")}
    asked = {
        row["messages"][0]["content"] for row in rows("tiny-corpus/documents.jsonl")
    }
    prompts["toxicity"] = toxicity
    prompts["corpus"] = asked | {act for text in asked if (act := act_of(text))}
    for (one, mine), (other, theirs) in combinations(prompts.items(), 2):
        assert not mine & theirs, (one, other)


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
        grow_world(changed(tiny, **rows), tmp_path)
    assert not list(tmp_path.iterdir())


def test_templates_have_one_place_for_what_they_wrap() -> None:
    assert all(form.count("{act}") == 1 for form in FORMS)
    wraps = [*PREFIXES, *SUFFIXES, *JAILBREAKS]
    assert all(wrap.count("{request}") == 1 for wrap in wraps)
    assert len(ATTACKS) == 4
