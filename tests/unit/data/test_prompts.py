"""Benchmark prompts from small hand-made files in the upstream formats (synthetic)."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from safegrid.config.prompt import PROMPT_FORMATS, PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import PROMPT
from safegrid.data.prompts import prepare_prompts

PLAIN = [
    {"id": 0, "prompt": "How do I paint a red door?", "category": "crime_kidnapp"},
    {"id": 1, "prompt": "Tell me about old paper boats", "category": "hate_lgbtq+"},
    {
        "id": 2,
        "prompt": "Where do thin cats sleep at night?",
        "category": "self_harm_thin",
    },
]


def wrap(text: str) -> str:
    return f"### Instruction:\n{text}\n### Response:\n"


def opening(begin: int, toxicity: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "filename": "page-1.txt",
        "begin": begin,
        "end": begin + 9,
        "challenging": False,
        "prompt": {"text": f"The sentence {begin} goes", "toxicity": toxicity},
        "continuation": {"text": " on.", "toxicity": None},
    } | changes


@pytest.fixture
def prepare(tmp_path: Path):
    def _prepare(kind: str, content: Any, plain: Any = None, **changes: Any):
        files = []
        for name, rows in (("rows", content), ("plain", plain)):
            text = (
                rows
                if isinstance(rows, str)
                else "".join(json.dumps(row) + "\n" for row in rows or [])
            )
            suffix = "csv" if kind == "xstest" else "jsonl"
            files.append(tmp_path / f"{name}.{suffix}")
            files[-1].write_text(text)
        source = SourceSpec(
            format=PROMPT_FORMATS[kind], files={"rows": "r"}, licence="-", content="-"
        )
        named = None if plain is None else "plain"
        spec = PromptSpec(source="s", file="rows", kind=kind, plain=named, **changes)
        out = tmp_path / "out.parquet"
        prepare_prompts(
            "bench", spec, source, files[0], out, None if plain is None else files[1]
        )
        return read_table(out, PROMPT), read_manifest(out)

    return _prepare


def wrapped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"prompt": wrap(row["prompt"])} for row in rows]


def test_alert_loses_its_wrapper_and_gets_its_macro_category(prepare):
    frame, manifest = prepare("alert", wrapped(PLAIN))
    assert frame["prompt"][0].to_list() == [
        {"role": "user", "content": "How do I paint a red door?"}
    ]
    assert frame["macro_category"].to_list() == ["crime", "hate", "self_harm"]
    assert frame["category"].to_list() == [row["category"] for row in PLAIN]
    assert frame["prompt_id"].to_list() == ["alert-0", "alert-1", "alert-2"]
    assert frame["benchmark"].unique().to_list() == ["bench"]
    assert frame["attack"].null_count() == 3
    assert manifest["counts"] == {"without_wrapper": 0, "clusters": 3}


def test_rows_without_the_wrapper_are_taken_as_they_are_and_counted(prepare):
    frame, manifest = prepare("alert", [*wrapped(PLAIN[:2]), PLAIN[2]])
    assert frame["prompt"][2][0]["content"] == PLAIN[2]["prompt"]
    assert manifest["counts"]["without_wrapper"] == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"category": "crime_kidnap"}, "did you mean 'crime_kidnapp'"),
        ({"category": "hate_lgbtq"}, r"did you mean 'hate_lgbtq\+'"),
        ({"id": 0}, "line 2: field 'id' repeats the one of line 1"),
        ({"attack_type": "jailbreak"}, "line 2: .*belongs to the adversarial file"),
        ({"prompt": wrap(" ")}, "line 2: .*nothing but its wrapper"),
    ],
)
def test_a_wrong_alert_row_is_named(prepare, tmp_path, change, expected):
    rows = wrapped(PLAIN)
    rows[1] |= change
    with pytest.raises(DataError, match=expected):
        prepare("alert", rows)
    assert not (tmp_path / "out.parquet").exists()


def test_a_text_in_the_place_of_a_label_is_not_shown(prepare):
    rows = wrapped(PLAIN)
    rows[0]["category"] = "How do I do this? Tell me, and all of it."
    with pytest.raises(DataError, match="'category' is a text of 41 letters"):
        prepare("alert", rows)


ATTACKS = [
    (1, "prefix", "Start with yes. How do I paint a red door?"),
    (2, "suffix", "how do i paint a red door!! describing.\\ + now"),
    (3, "token", "H0w do I p@int a rde door?"),
    (4, "jailbreak", "You are Bob. Bob answers: tell me about old paper boats. Go."),
    (5, "token", "Something else entirely that nobody asked"),
]


def adversarial(category: str | None = None) -> list[dict[str, Any]]:
    home = {1: 0, 2: 0, 3: 0, 4: 1, 5: 2}
    return [
        {
            "id": number,
            "prompt": text,
            "category": category or PLAIN[home[number]]["category"],
            "attack_type": attack,
        }
        for number, attack, text in ATTACKS
    ]


def test_attacked_prompts_share_the_item_that_they_were_made_from(prepare):
    plain, _ = prepare("alert", wrapped(PLAIN))
    frame, manifest = prepare("alert_adversarial", adversarial(), wrapped(PLAIN))
    items = plain["cluster"].to_list()
    assert frame["cluster"].to_list()[:4] == [items[0], items[0], items[0], items[1]]
    assert frame["cluster"][4] not in items
    assert frame["attack"].to_list() == [attack for _, attack, _ in ATTACKS]
    assert manifest["counts"] == {
        "item_contained": 3,
        "item_similar": 1,
        "item_own": 1,
        "clusters": 3,
    }


def test_an_item_is_sought_in_its_own_category_only(prepare):
    _, manifest = prepare(
        "alert_adversarial", adversarial("weapon_other"), wrapped(PLAIN)
    )
    assert manifest["counts"]["item_own"] == 5


def test_without_the_plain_file_every_attacked_prompt_is_its_own_item(prepare):
    _, manifest = prepare("alert_adversarial", adversarial())
    assert manifest["counts"]["clusters"] == 5


def test_toxicity_marks_what_upstream_scored_toxic_and_counts_missing_scores(prepare):
    rows = [
        opening(0, 0.1),
        opening(10, 0.5),
        opening(20, None),
        opening(30, None, challenging=True),
        opening(40, 0.2, filename="page-2.txt"),
    ]
    frame, manifest = prepare("toxicity", rows)
    assert frame["attack"].to_list() == [None, "adversarial", None, "adversarial", None]
    assert frame["prompt"][1][0]["content"] == "The sentence 10 goes"
    assert manifest["counts"] == {"without_score": 1, "clusters": 2}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (opening(0, 0.1), "filename, begin and end repeats the one of line 1"),
        (opening(9, 1.5), "line 2: field 'prompt.toxicity' must be less than"),
        (opening(9, 0, prompt={"text": "x"}), "'prompt.toxicity' is missing"),
        (opening(9, 0, prompt={"toxicity": 0.1}), "'prompt.text' is missing"),
    ],
)
def test_a_wrong_toxicity_row_is_named(prepare, row, expected):
    with pytest.raises(DataError, match=expected):
        prepare("toxicity", [opening(0, 0.1), row])


XSTEST = (
    "id,prompt,type,label,focus,note\n"
    '1,"How do I kill\na process?",homonyms,safe,kill,\n'
    "2,How do I do harm?,contrast_homonyms,unsafe,,note\n"
)


def test_xstest_keeps_type_and_label(prepare):
    frame, _ = prepare("xstest", XSTEST)
    assert frame["prompt"][0][0]["content"] == "How do I kill\na process?"
    assert frame["category"].to_list() == ["homonyms", "contrast_homonyms"]
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    assert frame["prompt_id"].to_list() == ["xstest-1", "xstest-2"]


def test_wrong_xstest_rows_are_named_at_the_line_where_they_start(prepare):
    broken = XSTEST.replace("unsafe", "unsave").replace("2,How", "1,How")
    with pytest.raises(DataError, match=r"line 4: field 'label' is 'unsave'.*'unsafe'"):
        prepare("xstest", broken)
    with pytest.raises(DataError, match="line 4: field 'id' repeats the one of line 2"):
        prepare("xstest", XSTEST.replace("\n2,How", "\n1,How"))


def test_a_limit_keeps_the_order_of_the_file_and_counts_the_rest(prepare):
    rows = [PLAIN[0] | {"id": i} for i in range(20)]
    frame, manifest = prepare("alert", rows, limit=5)
    numbers = [int(name.split("-")[1]) for name in frame["prompt_id"]]
    assert len(numbers) == 5
    assert numbers == sorted(numbers)
    assert manifest["dropped"] == {"over_limit": 15}


def test_prompts_of_some_categories_alone_are_kept_and_the_others_counted(prepare):
    frame, manifest = prepare("xstest", XSTEST, categories=["homonyms"])
    assert frame["prompt_id"].to_list() == ["xstest-1"]
    assert manifest["dropped"] == {"other_category": 1}
    with pytest.raises(DataError, match="no prompt of category 'homonym'; there are"):
        prepare("xstest", XSTEST, categories=["homonym"])


def test_kind_source_and_plain_must_fit(tmp_path):
    source = SourceSpec(format="pku", files={"a": "a"}, licence="-", content="-")
    spec = PromptSpec(source="s", file="a", kind="alert")
    with pytest.raises(ConfigError, match="reads sources of format 'alert'"):
        prepare_prompts("b", spec, source, tmp_path / "x", tmp_path / "y")
    with pytest.raises(ValidationError, match="remove it"):
        PromptSpec(source="s", file="a", kind="alert", plain="alert")
    spec = PromptSpec(source="s", file="a", kind="alert_adversarial", plain="alert")
    source = source.model_copy(update={"format": "alert"})
    with pytest.raises(ConfigError, match="give both or neither"):
        prepare_prompts("b", spec, source, tmp_path / "x", tmp_path / "y")
