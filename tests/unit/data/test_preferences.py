"""PKU-SafeRLHF comparisons become pairs by rule, and every other row is counted."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from safegrid.config.dataset import HARM_CATEGORIES, DatasetSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import PREFERENCE
from safegrid.data.preferences import prepare_dataset

SOURCE = SourceSpec(format="pku", files={"train": "t"}, licence="none", content="none")


def spec(**changes: Any) -> DatasetSpec:
    return DatasetSpec(source="hand", max_length=64, **changes)


def comparison(prompt: str, safe: tuple[bool, bool], **changes: Any) -> dict[str, Any]:
    """Return a row of the seven-column form."""
    return {
        "prompt": prompt,
        "response_0": "I cannot help.",
        "response_1": "Sure, first step.",
        "is_response_0_safe": safe[0],
        "is_response_1_safe": safe[1],
        "better_response_id": 1,
        "safer_response_id": 0 if safe[0] else 1,
    } | changes


def with_harms(row: dict[str, Any], *harms: str) -> dict[str, Any]:
    """Return the row in the sixteen-column form; unsafe responses carry `harms`."""
    extra: dict[str, Any] = {"prompt_source": "hand"}
    for i in (0, 1):
        unsafe = not row[f"is_response_{i}_safe"]
        text = row["prompt"] + row[f"response_{i}"]
        extra |= {
            f"response_{i}_source": "hand",
            f"response_{i}_harm_category": {
                name: unsafe and name in harms for name in HARM_CATEGORIES
            },
            f"response_{i}_severity_level": 2 if unsafe else 0,
            f"response_{i}_sha256": sha256(text.encode()).hexdigest(),
        }
    return row | extra


@pytest.fixture
def prepare(tmp_path: Path):
    def _prepare(rows: list[dict[str, Any]], **changes: Any):
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        out = tmp_path / "out.parquet"
        prepare_dataset(spec(**changes), [SOURCE], [file], out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _prepare


def test_the_safe_response_is_chosen_wherever_it_stands(prepare):
    frame, manifest = prepare(
        [comparison("one", (True, False)), comparison("two", (False, True))]
    )
    assert frame["chosen"].to_list() == ["I cannot help.", "Sure, first step."]
    assert frame["rejected"].to_list() == ["Sure, first step.", "I cannot help."]
    assert frame["source_row"].to_list() == [1, 2]
    assert frame["source"].unique().to_list() == ["hand"]
    assert manifest["rows"] == 2
    assert manifest["dropped"] == {}


def test_every_row_that_makes_no_pair_is_counted_by_reason(prepare):
    good = comparison("one", (True, False))
    frame, manifest = prepare(
        [
            good,
            good,
            comparison("two", (True, True)),
            comparison("three", (False, False)),
            comparison("four", (True, False), safer_response_id=1),
            comparison("five", (True, False), response_1=" "),
            comparison("six", (True, False), response_1="I cannot help."),
        ]
    )
    assert frame.height == 1
    assert manifest["dropped"] == {
        "duplicate": 1,
        "both_safe": 1,
        "both_unsafe": 1,
        "labels_disagree": 1,
        "empty_response": 1,
        "identical_responses": 1,
    }
    assert manifest["dropped_lines"]["duplicate"] == [2]


def test_rows_that_prefer_opposite_ways_leave_no_pair(prepare):
    frame, manifest = prepare(
        [
            comparison("one", (True, False)),
            comparison("one", (False, True)),
            comparison("two", (True, False)),
        ]
    )
    assert frame["prompt"].to_list() == ["two"]
    assert manifest["dropped"] == {"contradicted": 2}


def test_safe_and_better_keeps_rows_whose_safe_response_is_better_too(prepare):
    frame, manifest = prepare(
        [
            comparison("one", (True, False), better_response_id=0),
            comparison("two", (True, False), better_response_id=1),
            comparison(
                "three", (True, True), better_response_id=1, safer_response_id=1
            ),
            comparison("four", (False, False), better_response_id=1),
        ],
        keep="safe_and_better",
    )
    assert frame["prompt"].to_list() == ["one", "three"]
    assert manifest["dropped"] == {"not_better": 1, "both_unsafe": 1}


def test_safer_response_id_keeps_rows_that_are_both_safe_or_both_unsafe(prepare):
    frame, _ = prepare(
        [
            comparison("one", (True, True), safer_response_id=1),
            comparison("two", (False, False), safer_response_id=0),
        ],
        keep="safer_response_id",
    )
    assert frame["chosen"].to_list() == ["Sure, first step.", "I cannot help."]


def test_category_is_the_first_harm_of_the_rejected_response(prepare):
    rows = [
        with_harms(comparison("one", (True, False)), "Drugs", "Violence"),
        with_harms(comparison("two", (True, False))),
    ]
    frame, manifest = prepare(rows)
    assert frame["category"].to_list() == ["Violence", None]
    assert manifest["without_category"] == 1


def test_categories_keep_pairs_that_carry_any_of_them(prepare):
    rows = [
        with_harms(comparison("one", (True, False)), "Drugs", "Violence"),
        with_harms(comparison("two", (True, False)), "Cybercrime"),
    ]
    frame, manifest = prepare(rows, categories=["Drugs"])
    assert frame["prompt"].to_list() == ["one"]
    assert manifest["dropped"] == {"other_category": 1}


def test_categories_need_the_sixteen_column_form(prepare):
    with pytest.raises(DataError, match="seven-column form"):
        prepare([comparison("one", (True, False))], categories=["Drugs"])


def test_a_misspelt_category_is_refused_before_anything_runs():
    with pytest.raises(ValidationError):
        spec(categories=["Drug"])


def test_a_response_that_lost_its_checksum_is_dropped(prepare):
    broken = with_harms(comparison("one", (True, False)), "Drugs")
    broken["response_1"] += " edited"
    good = with_harms(comparison("two", (True, False)), "Drugs")
    _, manifest = prepare([broken, good])
    assert manifest["dropped"] == {"checksum_mismatch": 1}
    assert manifest["dropped_lines"] == {"checksum_mismatch": [1]}


def test_pair_ids_depend_on_content_alone(prepare):
    rows = [comparison("one", (True, False)), comparison("two", (True, False))]
    first, _ = prepare(rows)
    second, _ = prepare(rows[::-1])
    assert first["pair_id"].to_list() == second["pair_id"].to_list()[::-1]
    assert first["pair_id"].n_unique() == 2


def test_a_limit_draws_by_seed_and_mostly_keeps_its_choice(prepare):
    rows = [comparison(f"prompt {i}", (True, False)) for i in range(40)]
    first, manifest = prepare(rows, limit=10)
    again, _ = prepare(rows[5:], limit=10)
    other, _ = prepare(rows, limit=10, seed=1)
    assert first.height == 10
    assert manifest["dropped"] == {"over_limit": 30}
    assert first["source_row"].is_sorted()
    assert len(set(first["pair_id"]) & set(again["pair_id"])) >= 5
    assert set(first["pair_id"]) != set(other["pair_id"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_response_0_safe": "yes"}, "'is_response_0_safe' must be true or false"),
        ({"safer_response_id": 2}, "'safer_response_id' must be 0 or 1"),
        ({"response_0_sha256": "x"}, "'response_0_harm_category' is missing"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_written(
    prepare, tmp_path, change, expected
):
    with pytest.raises(DataError, match=expected):
        prepare([comparison("one", (True, False), **change)])
    assert not (tmp_path / "out.parquet").exists()


def test_an_unknown_harm_category_is_named(prepare):
    row = with_harms(comparison("one", (True, False)))
    row["response_0_harm_category"]["Jaywalking"] = False
    with pytest.raises(DataError, match="'Jaywalking'"):
        prepare([row])


def test_no_pair_at_all_is_an_error_with_the_reasons(prepare, tmp_path):
    with pytest.raises(
        DataError, match=r"none of 1 rows becomes a training row.*both_safe"
    ):
        prepare([comparison("one", (True, True))])
    assert not (tmp_path / "out.parquet").exists()


def test_a_source_without_preferences_is_refused(tmp_path):
    source = SOURCE.model_copy(update={"format": "alert"})
    with pytest.raises(ConfigError, match="holds no training rows"):
        prepare_dataset(
            spec(), [source], [tmp_path / "x.jsonl"], tmp_path / "out.parquet"
        )
