"""A world is built the same twice, and no two of its parts share a request."""

import json
from itertools import combinations

import pytest
from pydantic import ValidationError

from miniworld import build
from miniworld.benchmarks import FILES, alert_requests, draw_sets
from miniworld.build import WRITERS, build_world
from miniworld.corrections import build_corrections
from miniworld.language import Act
from miniworld.plan import make_plan
from miniworld.words import PLACES
from safegrid.config.world import World
from safegrid.core.artifacts import sha256_file
from safegrid.core.errors import DataError


def changed(world, **rows):
    return world.model_copy(update={"rows": world.rows.model_copy(update=rows)})


def test_same_seed_gives_same_bytes(tiny, raw, tmp_path):
    build_world(tiny, tmp_path)
    build_corrections(tiny, tmp_path / "tiny-correction-rows")
    assert sha256_file(tmp_path) == sha256_file(raw)


def test_another_seed_gives_other_rows(tiny, raw, tmp_path):
    build_world(tiny.model_copy(update={"seed": tiny.seed + 1}), tmp_path)
    for path in (
        "tiny-alert/alert.jsonl",
        "tiny-corpus/documents.jsonl",
        "tiny-tasks/tiny_facts.jsonl",
    ):
        assert sha256_file(tmp_path / path) != sha256_file(raw / path)


def test_every_folder_ends_with_a_manifest_that_counts(raw, rows):
    for name in WRITERS:
        manifest = json.loads((raw / f"tiny-{name}" / "manifest.json").read_text())
        assert manifest["shared_requests"] == 0
        assert manifest["requests"]["corpus"] > 0
        for path, count in manifest["rows"].items():
            assert len(rows(f"tiny-{name}/{path}")) == count, path


def test_later_writers_leave_the_files_before_them_as_they_were(
    tiny, raw, tmp_path, monkeypatch
):
    """Results that studies have of a world are not made again for a new source."""
    names = list(WRITERS)
    first = names[: names.index("corpus") + 1]
    monkeypatch.setattr(build, "WRITERS", {name: WRITERS[name] for name in first})
    build_world(tiny, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            same = raw / path.relative_to(tmp_path)
            assert sha256_file(path) == sha256_file(same), path


def act_of(text):
    """Find the place that a text names and the four words before it."""
    for place in PLACES:
        if place in text:
            return f"{' '.join(text.partition(place)[0].split()[-4:])} {place}"
    return None


# Files of one part may share requests. So may those that models or judges learn from:
# what is measured on one model is held out from all of them.
PARTS = {
    "alert": ["alert/alert.jsonl"],
    "alert_dev": ["alert/dev.jsonl"],
    "xstest": ["xstest/xstest_prompts.csv"],
    "xstest_dev": ["xstest/dev.csv"],
    "pku_train": ["pku/train.jsonl", "safety/safety_only.json"],
    "pku_dev": ["pku/dev.jsonl"],
    "toxicity": ["toxicity/prompts.jsonl"],
    "corpus": ["corpus/documents.jsonl", "instructions/train.json"],
    "judge_train": [
        "judging/guard_train.jsonl",
        "reward-rows/train.jsonl",
        "harmfulness-rows/train.jsonl",
    ],
    "judge_test": [
        "judging/guard_test.jsonl",
        "reward-rows/test.jsonl",
        "harmfulness-rows/test.jsonl",
    ],
    "facts": ["tasks/tiny_facts.jsonl"],
    "math": ["tasks/tiny_math.jsonl"],
    "math_dev": ["tasks/dev/tiny_dev_math.jsonl"],
    "instructions_test": ["instructions/test.json"],
    "sets": [f"sets/{file}" for file in FILES.values()],
}
# A reward model learns from questions of the corpus and is measured on the tasks'.
ASKED_TWICE = [
    {"judge_train", "corpus"},
    {"judge_test", "math"},
    {"judge_test", "facts"},
    {"judge_test", "instructions_test"},
    {"instructions_test", "math"},
    {"instructions_test", "facts"},
]
# The sets ask for acts of ALERT's part in other requests, as do held-out instructions
# with XSTest's.
IN_ONE_PART = [{"alert", "sets"}, {"xstest", "instructions_test"}]


def asked_in(row):
    """Return what a row asks for, whichever upstream wrote its file."""
    if "messages" in row:
        return row["messages"][0]["content"]
    if "instruction" in row:
        return f"{row['instruction']} {row.get('input', '')}".strip()
    text = row["prompt"] if "prompt" in row else row["question"]
    return text["text"] if isinstance(text, dict) else text


def test_files_share_no_prompt_and_no_act(rows):
    """Read from the files, apart from what the generator believes."""
    texts = {
        part: {asked_in(row) for path in paths for row in rows(f"tiny-{path}")}
        for part, paths in PARTS.items()
    }
    acts = {part: {act_of(text) for text in own} for part, own in texts.items()}
    for one, other in combinations(PARTS, 2):
        shared = (acts[one] & acts[other]) - {None}
        assert not shared or {one, other} in IN_ONE_PART, (one, other)
        if {one, other} not in ASKED_TWICE:
            assert not texts[one] & texts[other], (one, other)


def test_a_shared_request_is_refused_by_name(tiny):
    plan = make_plan(tiny)
    act = Act("crime_theft", "steal", "a bike", "at home", True)
    plan.claim("alert", act)
    plan.claim("alert", act)
    with pytest.raises(DataError, match=r"alert and corpus share .* 'steal a bike at"):
        plan.claim("corpus", act)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"alert": 500}, "alert: hate_women: asks for 500 requests of a pool"),
        ({"pku_train": 10**6}, "pku_train: asks for"),
        ({"tasks": 5000}, "tasks: .*lower"),
    ],
)
def test_more_rows_than_the_world_holds_are_refused(tiny, tmp_path, rows, told):
    with pytest.raises(DataError, match=told):
        build_world(changed(tiny, **rows), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_world_without_a_correction_judge_says_what_is_missing(tiny, tmp_path):
    with pytest.raises(DataError, match="give it `correction`"):
        build_corrections(changed(tiny, correction=None), tmp_path / "rows")


@pytest.mark.parametrize("name", ["mini", "mixed", "tiny"])
def test_worlds_of_the_repository_hold_the_sets_that_they_ask_for(name, blocks):
    world = World(name=name, **blocks[name])
    plan = make_plan(world)
    drawn = draw_sets(plan)
    assert {name: len(own) for name, own in drawn.items()} == dict(world.rows.sets)
    alert = alert_requests(plan, "alert", world.rows.alert)
    together = [r for sets in (drawn, alert) for own in sets.values() for r in own]
    assert len(set(together)) == len(together)


@pytest.mark.parametrize(
    ("outer", "changes", "told"),
    [
        ("base", {"hiden": 1}, "hiden"),
        ("base", {"heads": 3}, "multiple of twice the 3 heads"),
        ("rows", {"attacks": 99}, "at most 2 of each attack"),
        ("rows", {"corpus": 0}, "greater than 0"),
        ("vocabulary", 200, "greater than or equal to 300"),
    ],
)
def test_a_block_that_cannot_be_grown_is_refused(outer, changes, told, blocks):
    block = blocks["tiny"]
    value = block[outer] | changes if isinstance(changes, dict) else changes
    with pytest.raises(ValidationError, match=told):
        World(name="tiny", **{**block, outer: value})
