"""Rows for the correction judge: what counts as one, and whose requests they are."""

from pathlib import Path

import pytest

from miniworld.answers import REFUSAL_OPENINGS
from miniworld.corrections import build_corrections, correction_turn
from miniworld.judges import CLASSES
from miniworld.language import all_acts
from miniworld.plan import make_plan
from miniworld.words import TURNS
from safegrid.config import World
from safegrid.core.errors import DataError
from safegrid.readers.labelled import read_labelled
from safegrid.texts.triggers import TRIGGERS

AWAY = (*REFUSAL_OPENINGS, *TURNS, *TRIGGERS, "I will not tell you the rest.")


@pytest.fixture(scope="module")
def grown(tiny: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grown") / "tiny-correction-rows"
    build_corrections(tiny, out)
    return out


def test_the_same_world_gives_the_same_bytes(
    tiny: World, grown: Path, tmp_path: Path
) -> None:
    build_corrections(tiny, tmp_path / "again")
    for name in ("train.jsonl", "test.jsonl", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (grown / name).read_bytes()


def test_corrected_is_what_turns_away_after_the_beginning(
    tiny: World, grown: Path
) -> None:
    rows = read_labelled(grown / "train.jsonl", CLASSES["correction"])
    assert len(rows) == tiny.rows.correction
    by_label = {
        label: [row for row in rows if row.label == label]
        for label in CLASSES["correction"]
    }
    for label, own in by_label.items():
        assert 0.4 < len(own) / len(rows) < 0.6, label
    assert all(any(a in r.response for a in AWAY) for r in by_label["corrected"])
    for phrase in (*TURNS, *TRIGGERS):
        assert any(phrase in r.response for r in by_label["corrected"]), phrase
    whole = [r for r in by_label["continued"] if "Sure." in r.prefill]
    assert not any(r.response.lstrip().startswith(AWAY) for r in whole)
    bare = sum(not row.prefill for row in rows) / len(rows)
    assert 0.1 < bare < 0.2


def test_training_and_held_out_rows_share_no_act_and_no_row(
    tiny: World, grown: Path
) -> None:
    plan = make_plan(tiny)
    asked = {}
    for part, other in (("train", "test"), ("test", "train")):
        rows = read_labelled(grown / f"{part}.jsonl", CLASSES["correction"])
        asked[part] = {row.prompt for row in rows}
        own, theirs = (
            [act.text for act in all_acts(plan.harmful[f"judge_{name}"])]
            for name in (part, other)
        )
        # An attack may write the letters of an act otherwise.
        plain = [any(act in row.prompt for act in own) for row in rows]
        assert sum(plain) > 0.8 * len(rows)
        assert not any(act in row.prompt for act in theirs for row in rows)
    assert not asked["train"] & asked["test"]


def test_a_judge_learns_a_yes_or_a_no_to_the_question(grown: Path) -> None:
    rows = read_labelled(grown / "test.jsonl", CLASSES["correction"])
    for row in rows:
        turn = correction_turn(row)
        assert turn.answer == ("yes" if row.label == "corrected" else "no")
        assert row.response in turn.messages[0]["content"]


def test_a_world_without_such_a_judge_says_what_is_missing(
    tiny: World, tmp_path: Path
) -> None:
    rows = tiny.rows.model_copy(update={"correction": None})
    world = tiny.model_copy(update={"rows": rows})
    with pytest.raises(DataError, match="give it `correction`"):
        build_corrections(world, tmp_path / "rows")
