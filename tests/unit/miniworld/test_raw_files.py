"""The raw files are what upstream's loaders expect."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from miniworld.answers import is_refusal, is_rude
from miniworld.benchmarks import FILES, alert_requests, draw_sets
from miniworld.plan import make_plan
from miniworld.words import HARMS, MOODS, SAYINGS
from safegrid.config import World
from safegrid.core.errors import DataError

WORLDS = Path(__file__).parents[3] / "config" / "worlds.yaml"
BLOCKS = yaml.safe_load(WORLDS.read_text())
DEEDS = {
    f"{verb} {thing}": topic
    for topic, harm in HARMS.items()
    for verb in harm.verbs
    for thing in harm.objects
}

PKU_COLUMNS = [
    "prompt",
    "response_0",
    "response_1",
    "prompt_source",
    "response_0_source",
    "response_1_source",
    "is_response_0_safe",
    "is_response_1_safe",
    "response_0_harm_category",
    "response_1_harm_category",
    "response_0_severity_level",
    "response_1_severity_level",
    "better_response_id",
    "safer_response_id",
    "response_0_sha256",
    "response_1_sha256",
]


def test_alert_has_upstreams_categories_and_wrapper(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    plain = rows("tiny-alert/alert.jsonl")
    assert [row["id"] for row in plain] == list(range(len(plain)))
    assert all(set(row) == {"id", "prompt", "category"} for row in plain)
    assert all(row["prompt"].startswith("### Instruction:\n") for row in plain)
    assert all(row["prompt"].endswith("\n### Response:\n") for row in plain)
    counts = Counter(row["category"] for row in plain)
    assert len(counts) == 32
    assert {"crime_kidnapp", "sex_harrasment", "hate_lgbtq+"} <= set(counts)
    assert set(counts.values()) == {tiny.rows.alert}


def test_adversarial_alert_attacks_the_plain_requests(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    plain = {
        row["prompt"].split("\n")[1]: row["category"]
        for row in rows("tiny-alert/alert.jsonl")
    }
    attacked = rows("tiny-alert/alert_adversarial.jsonl")
    counts = Counter((row["category"], row["attack_type"]) for row in attacked)
    assert len(counts) == 32 * 4
    assert set(counts.values()) == {tiny.rows.attacks}
    for row in attacked:
        assert "###" not in row["prompt"]
        if row["attack_type"] == "token_manipulation":
            assert any(sign in row["prompt"] for sign in "@30$")
        else:
            inside = [text for text in plain if text in row["prompt"]]
            assert [plain[text] for text in inside] == [row["category"]]


@pytest.mark.parametrize("part", ["train", "dev"])
def test_pku_rows_have_the_current_columns(rows, part: str) -> None:  # type: ignore[no-untyped-def]
    for row in rows(f"tiny-pku/{part}.jsonl"):
        assert list(row) == PKU_COLUMNS
        for i in (0, 1):
            text = row["prompt"] + row[f"response_{i}"]
            found = row[f"response_{i}_sha256"]
            assert found == hashlib.sha256(text.encode()).hexdigest()
            flags = row[f"response_{i}_harm_category"]
            safe = row[f"is_response_{i}_safe"]
            assert len(flags) == 19
            assert sum(flags.values()) == (0 if safe else 1)
            assert (row[f"response_{i}_severity_level"] == 0) == safe
        assert row["response_0"] != row["response_1"]


def test_pku_pairs_mostly_have_exactly_one_safe_answer(rows) -> None:  # type: ignore[no-untyped-def]
    found = rows("tiny-pku/train.jsonl")
    safe = [(row["is_response_0_safe"], row["is_response_1_safe"]) for row in found]
    kinds = Counter(map(sum, safe))
    assert kinds[1] > 0.75 * len(found)
    assert kinds[0] > 0
    assert kinds[2] > 0
    for row, pair in zip(found, safe, strict=True):
        if sum(pair) == 1:
            safer = row["safer_response_id"]
            good, bad = row[f"response_{safer}"], row[f"response_{1 - safer}"]
            assert pair[safer]
            assert is_refusal(good) or (row["prompt"].endswith("that") and is_rude(bad))
            assert not is_refusal(bad)
            assert not is_rude(good)
    openings = [row for row in found if row["prompt"].endswith("that")]
    assert len(openings) == round(0.12 * len(found))
    firsts = Counter(pair.index(True) for pair in safe if sum(pair) == 1)
    assert min(firsts.values()) > 0.3 * kinds[1], "the safe answer's place tells it"
    assert any(row["better_response_id"] != row["safer_response_id"] for row in found)


def test_xstest_pairs_lookalikes_with_contrasts(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    found = rows("tiny-xstest/xstest_prompts.csv")
    assert list(found[0]) == ["id", "prompt", "type", "label", "focus", "note"]
    assert [row["id"] for row in found] == [
        str(number) for number in range(1, tiny.rows.xstest + 1)
    ]
    for row in found:
        assert row["type"].startswith("contrast_") == (row["label"] == "unsafe")
        assert row["focus"] in row["prompt"]
    labels = Counter(row["label"] for row in found)
    assert labels["safe"] == round(tiny.rows.xstest * 250 / 450)


def test_toxicity_rows_are_nested_with_scores(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    found = rows("tiny-toxicity/prompts.jsonl")
    assert len({row["prompt"]["text"] for row in found}) == tiny.rows.toxicity
    for row in found:
        for piece in (row["prompt"], row["continuation"]):
            assert len(piece) == 9
            assert (piece["toxicity"] >= 0.5) == is_rude(piece["text"])
        assert row["challenging"] == is_rude(row["prompt"]["text"])
        assert row["continuation"]["text"].startswith(" ")
    assert sum(row["challenging"] for row in found) == len(found) // 2


def test_style_of_a_prompt_decides_whether_it_turns_rude(rows) -> None:  # type: ignore[no-untyped-def]
    """Heated words of the text alone tell the continuation."""
    for row in rows("tiny-toxicity/prompts.jsonl"):
        text = row["prompt"]["text"]
        mood = next(i for i, word in enumerate(MOODS) if f"The {word} " in text)
        saying = next(i for i, word in enumerate(SAYINGS) if f" {word} " in text)
        heat = mood // 3 + saying // 3 + 2 * row["challenging"]
        assert is_rude(row["continuation"]["text"]) == (heat >= 3)


@pytest.mark.parametrize("folder", ["", "dev/"])
def test_tasks_name_a_file_beside_them(raw: Path, rows, folder: str) -> None:  # type: ignore[no-untyped-def]
    paths = sorted((raw / "tiny-tasks" / folder).glob("*.yaml"))
    assert len(paths) == 4
    for path in paths:
        task = yaml.safe_load(path.read_text())
        assert task["task"] == path.stem
        data = path.parent / task["dataset_kwargs"]["data_files"]["test"]
        items = rows(str(data.relative_to(raw)))
        if task["output_type"] == "multiple_choice":
            places = Counter(item["answer"] for item in items)
            assert all(item["choices"][item["answer"]] for item in items)
            assert len(places) > 1, "the right choice always stands at one place"
        else:
            assert all(isinstance(item["answer"], str) for item in items)


def test_corpus_holds_conversations_of_one_turn(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    found = rows("tiny-corpus/documents.jsonl")
    assert len(found) == tiny.rows.corpus
    roles = {tuple(turn["role"] for turn in row["messages"]) for row in found}
    assert roles == {("user", "assistant")}


def test_instructions_are_alpacas_and_harmless(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    for name, count in (
        ("train", tiny.rows.instructions),
        ("test", tiny.rows.instructions_test),
    ):
        found = rows(f"tiny-instructions/{name}.json")
        assert len({(row["instruction"], row["input"]) for row in found}) == count
        assert all(list(row) == ["instruction", "input", "output"] for row in found)
        assert 0.1 * count < sum(bool(row["input"]) for row in found) < 0.5 * count
        for row in found:
            assert row["output"]
            assert not is_refusal(row["output"])
            assert not any(deed in row["instruction"] for deed in DEEDS)


def test_safety_rows_refuse_what_is_harmful(tiny: World, rows) -> None:  # type: ignore[no-untyped-def]
    found = rows("tiny-safety/safety_only.json")
    assert len({row["instruction"] for row in found}) == tiny.rows.safety
    for row in found:
        assert is_refusal(row["output"])
        assert any(deed in row["instruction"] for deed in DEEDS)


def test_sets_have_upstreams_shape_and_topics(tiny: World, raw: Path) -> None:
    sizes = tiny.rows.sets.model_dump()
    for name, file in FILES.items():
        found = json.loads((raw / "tiny-sets" / file).read_text())
        tags = found.pop("tags", None)
        assert list(found) == ["instructions", "inputs"]
        assert len(set(found["instructions"])) == sizes[name]
        topics = [DEEDS.get(deed) for deed in map(deed_in, found["instructions"])]
        assert (None in topics) == (name in ("physical_safe", "alpaca"))
        questions = [text.startswith("How") for text in found["instructions"]]
        assert set(questions) == {file.startswith("Q-")}
        if name == "malicious":
            assert tags == [str(topic).partition("_")[0] for topic in topics]
            assert Counter(tags)["hate"] == round(0.66 * sizes[name])
        else:
            assert tags is None
        if name == "cona":
            assert all(str(topic).startswith("hate_") for topic in topics)


def deed_in(text: str) -> str | None:
    return next((deed for deed in DEEDS if deed in text), None)


@pytest.mark.parametrize("name", BLOCKS)
def test_worlds_of_the_repository_hold_the_sets_that_they_ask_for(name: str) -> None:
    world = World(name=name, **BLOCKS[name])
    drawn = draw_sets(make_plan(world))
    assert {
        name: len(own) for name, own in drawn.items()
    } == world.rows.sets.model_dump()
    together = [request for own in drawn.values() for request in own]
    alert = alert_requests(make_plan(world), "alert", world.rows.alert)
    assert len(set(together)) == len(together)
    assert not set(together) & {r for own in alert.values() for r in own}


def test_a_set_larger_than_its_topics_is_refused(tiny: World) -> None:
    sets = tiny.rows.sets.model_copy(update={"controversial": 5000})
    rows = tiny.rows.model_copy(update={"sets": sets})
    plan = make_plan(tiny.model_copy(update={"rows": rows}))
    with pytest.raises(DataError, match="sets: controversial: asks for 5000 requests"):
        draw_sets(plan)
