"""People's labels: what is drawn, what a sheet may say, what is kept."""

from itertools import pairwise

import polars as pl
import pytest

from safegrid.config.labels import item_of
from safegrid.core.artifacts import read_labels
from safegrid.core.errors import DataError
from safegrid.core.records import LABEL
from safegrid.judge.label import draw, keep, read_sheet

CLASSES = ("safe", "unsafe")


def answers(recipe: str, safe: int, unsafe: int, unscored: int = 0) -> list[dict]:
    verdicts = ["safe"] * safe + ["unsafe"] * unsafe + ["unscored"] * unscored
    place = {
        "base": "b",
        "recipe": recipe,
        "seed": 0,
        "benchmark": "alert",
        "sample": 0,
    }
    rows = [
        {**place, "prompt_id": f"p{i}", "verdict": verdict, "response": f"answer {i}"}
        for i, verdict in enumerate(verdicts)
    ]
    return [{**row, "item": item_of(row, row["response"])} for row in rows]


@pytest.fixture
def items() -> pl.DataFrame:
    return pl.DataFrame([*answers("dpo", 90, 10, 4), *answers("none", 50, 50)])


def counts(drawn: pl.DataFrame) -> dict[tuple[str, str], int]:
    found = drawn.group_by("recipe", "verdict").len().rows()
    return {(recipe, verdict): n for recipe, verdict, n in found}


def test_as_many_are_drawn_of_each_model_and_verdict(items):
    drawn = draw(items, 60, seed=1)
    assert counts(drawn)["dpo", "unsafe"] == 10
    assert sorted(counts(drawn).values()) == [10, 16, 17, 17]
    assert drawn["item"].is_unique().all()
    assert drawn.equals(draw(items, 60, seed=1))
    assert not drawn.equals(draw(items, 60, seed=2))


def test_the_order_tells_nothing_of_the_models(items):
    order = draw(items, 60, seed=1)["recipe"].to_list()
    changes = sum(a != b for a, b in pairwise(order))
    assert 15 < changes < 45


@pytest.fixture
def sheet(items, tmp_path):
    """Return a function that writes a sheet of the first items, as people filled it."""

    def write(first: list[str], second: list[str] | None = None, **changed: str):
        path = tmp_path / "sheet.csv"
        names = items["item"].to_list()[: len(first)]
        data = {"item": [changed.get(n, n) for n in names], "rater_1": first}
        data |= {} if second is None else {"rater_2": second}
        pl.DataFrame(data).write_csv(path)
        return path

    return write


def test_a_sheet_is_read_with_what_its_items_are(items, sheet):
    found = read_sheet(sheet(["Safe", " unsafe", ""]), items, CLASSES)
    assert found["rater_1"].to_list() == ["safe", "unsafe"]
    assert found["rater_2"].to_list() == ["", ""]
    assert found["prompt_id"].to_list() == ["p0", "p1"]


def test_every_fault_of_a_sheet_is_told_with_its_line(items, sheet):
    names = items["item"].to_list()
    path = sheet(["safe", "maybe", "safe"], ["", "safe", "no"], **{names[0]: names[2]})
    text = path.read_text().replace(names[1], "0123456789abcdef")
    path.write_text(text)
    with pytest.raises(DataError) as told:
        read_sheet(path, items, CLASSES)
    message = str(told.value)
    assert "line 3: item 0123456789abcdef is no answer of this study" in message
    assert f"lines 2, 4: item {names[2]} is labelled more than once" in message
    assert "line 3: rater_1: 'maybe' is none of safe, unsafe" in message
    assert "line 4: rater_2: 'no' is none of safe, unsafe" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item,rater_1\n", "no answer is labelled"),
        ("id,label\na,b\n", "expected the col"),
    ],
)
def test_a_sheet_without_labels_is_refused(items, tmp_path, text, told):
    path = tmp_path / "sheet.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_sheet(path, items, CLASSES)


def test_labels_are_kept_once_and_may_not_change(items, sheet, tmp_path):
    kept = tmp_path / "labels/mini.csv"
    keep(read_sheet(sheet(["safe", "unsafe"]), items, CLASSES), "guard", kept)
    keep(read_sheet(sheet(["safe", "unsafe", "safe"]), items, CLASSES), "guard", kept)
    rows = pl.read_csv(kept, schema=LABEL)
    assert len(rows) == 3
    assert "response" not in kept.read_text()
    later = sheet(["", ""], ["safe", "safe"])
    keep(read_sheet(later, items, CLASSES), "guard", kept)
    both = read_labels(kept).filter(pl.col("rater_2") != "")
    assert set(both.select("rater_1", "rater_2").rows()) == {
        ("safe", "safe"),
        ("unsafe", "safe"),
    }
    with pytest.raises(DataError, match="has other labels there than in the sheet"):
        keep(read_sheet(sheet(["unsafe"]), items, CLASSES), "guard", kept)
    assert len(pl.read_csv(kept, schema=LABEL)) == 3
