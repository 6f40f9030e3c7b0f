"""Raw rows become pairs, instructions or documents, and every other row is counted."""

import json
from hashlib import sha256

import polars as pl
import pytest
from pydantic import ValidationError

from answered import comparison
from safegrid.config.dataset import HARM_CATEGORIES, DatasetSpec
from safegrid.config.source import PartSpec, SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT
from safegrid.data.instructions import gather_texts
from safegrid.data.preferences import prepare_chosen

NO = "I cannot help."


def compared(prompt, *safe, **changes):
    texts = zip((NO, "Sure, first step."), safe, strict=True)
    return comparison(prompt, *texts, **{"better_response_id": 1, **changes})


def with_harms(row, *harms):
    """Return the row in the sixteen-column form; unsafe responses carry `harms`."""
    extra = {"prompt_source": "hand"}
    for i in (0, 1):
        unsafe = not row[f"is_response_{i}_safe"]
        text = row["prompt"] + row[f"response_{i}"]
        flags = {name: unsafe and name in harms for name in HARM_CATEGORIES}
        extra |= {
            f"response_{i}_source": "hand",
            f"response_{i}_harm_category": flags,
            f"response_{i}_severity_level": 2 if unsafe else 0,
            f"response_{i}_sha256": sha256(text.encode()).hexdigest(),
        }
    return row | extra


ONE = compared("one", True, False)
TWO = compared("two", True, False)


def test_the_safe_response_is_chosen_wherever_it_stands(pairs):
    frame, manifest = pairs("pku", [ONE, compared("two", False, True)])
    assert frame["chosen"].to_list() == [NO, "Sure, first step."]
    assert frame["rejected"].to_list() == ["Sure, first step.", NO]
    assert frame["source_row"].to_list() == [1, 2]
    assert frame["source"].unique().to_list() == ["hand"]
    assert manifest["rows"] == 2
    assert manifest["dropped"] == {}


BROKEN = with_harms(ONE, "Drugs") | {"response_1": "edited"}
OTHER_WAY = compared("one", False, True)
DISAGREE = compared("one", True, False, safer_response_id=1)
EITHER = [
    compared("one", True, False, better_response_id=0),
    TWO,
    compared("three", True, True, safer_response_id=1),
    compared("four", False, False),
]
HARMS = [with_harms(ONE, "Drugs", "Violence"), with_harms(TWO, "Cybercrime")]
BETTER, SAFER = {"keep": "safe_and_better"}, {"keep": "safer_response_id"}
DRUGS = {"categories": ["Drugs"]}


@pytest.mark.parametrize(
    ("rows", "rule", "kept", "dropped"),
    [
        ([ONE, ONE], {}, "one", {"duplicate": [2]}),
        (EITHER, {}, "one two", {"both_safe": [3], "both_unsafe": [4]}),
        (EITHER, BETTER, "one three", {"not_better": [2], "both_unsafe": [4]}),
        (EITHER, SAFER, "one two three four", {}),
        ([TWO, DISAGREE], {}, "two", {"labels_disagree": [2]}),
        ([TWO, ONE | {"response_1": " "}], {}, "two", {"empty_response": [2]}),
        ([TWO, ONE | {"response_1": NO}], {}, "two", {"identical_responses": [2]}),
        ([ONE, OTHER_WAY, TWO], {}, "two", {"contradicted": [1, 2]}),
        ([BROKEN, with_harms(TWO)], {}, "two", {"checksum_mismatch": [1]}),
        (HARMS, DRUGS, "one", {"other_category": [2]}),
    ],
)
def test_every_row_that_makes_no_pair_is_counted_by_reason(
    pairs, rows, rule, kept, dropped
):
    frame, manifest = pairs("pku", rows, **rule)
    assert " ".join(frame["prompt"]) == kept
    assert manifest["dropped_lines"] == dropped
    assert manifest["dropped"] == {why: len(lines) for why, lines in dropped.items()}


def test_without_any_pair_nothing_is_written(pairs):
    with pytest.raises(DataError, match=r"none of 1 rows becomes a tr.*both_safe"):
        pairs("pku", [compared("one", True, True)])


def test_category_is_the_first_harm_of_the_rejected_response(pairs):
    frame, manifest = pairs("pku", [HARMS[0], with_harms(TWO)])
    assert frame["category"].to_list() == ["Violence", None]
    assert manifest["without_category"] == 1
    with pytest.raises(DataError, match="seven-column form"):
        pairs("pku", [ONE], categories=["Drugs"])
    with pytest.raises(ValidationError):
        DatasetSpec(source="hand", max_length=64, categories=["Drug"])


def test_pair_ids_depend_on_content_alone(pairs):
    first, _ = pairs("pku", [ONE, TWO])
    second, _ = pairs("pku", [TWO, ONE])
    assert first["pair_id"].to_list() == second["pair_id"].to_list()[::-1]
    assert first["pair_id"].n_unique() == 2


def test_a_limit_draws_by_seed_and_mostly_keeps_its_choice(pairs):
    rows = [compared(f"prompt {i}", True, False) for i in range(40)]
    first, manifest = pairs("pku", rows, limit=10)
    again, _ = pairs("pku", rows[5:], limit=10)
    other, _ = pairs("pku", rows, limit=10, seed=1)
    assert first.height == 10
    assert manifest["dropped"] == {"over_limit": 30}
    assert first["source_row"].is_sorted()
    assert len(set(first["pair_id"]) & set(again["pair_id"])) >= 5
    assert set(first["pair_id"]) != set(other["pair_id"])


ODD_HARM = with_harms(ONE)
ODD_HARM["response_0_harm_category"] |= {"Jaywalking": False}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ONE | {"is_response_0_safe": "yes"}, "_0_safe' must be true or false"),
        (ONE | {"safer_response_id": 2}, "'safer_response_id' must be 0 or 1"),
        (ONE | {"safer_response_id": True}, "'safer_response_id' must be a whole"),
        (ONE | {"response_0_sha256": "x"}, "'response_0_harm_category' is missing"),
        (ODD_HARM, "'Jaywalking'"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_written(pairs, row, expected):
    with pytest.raises(DataError, match=expected):
        pairs("pku", [row])


# ------------------------------------------------------------------ ready pairs

PAIR = {"prompt": "One", "chosen": "No.", "rejected": "Yes."}


def test_own_pairs_need_three_columns_and_may_have_categories(pairs):
    rows = [PAIR | {"category": "c"}, PAIR | {"prompt": "Two", "category": ""}]
    frame, manifest = pairs("pairs_csv", rows, suffix="csv")
    assert frame.select("prompt", "chosen", "rejected").row(0, named=True) == PAIR
    assert frame["category"].to_list() == ["c", None]
    assert manifest["without_category"] == 1
    rows = [PAIR, PAIR, PAIR | {"prompt": "Two", "chosen": " "}]
    frame, manifest = pairs("pairs_csv", rows, suffix="csv")
    assert frame["category"].to_list() == [None]
    assert manifest["dropped_lines"] == {"duplicate": [3], "empty_response": [4]}
    with pytest.raises(DataError, match="line 2: missing fields 'rejected'"):
        pairs("pairs_csv", "prompt,chosen\nOne,No.\n", suffix="csv")


def test_alert_dpo_loses_alerts_wrapper(pairs):
    wrapped = "### Instruction:\n{}\n### Response:\n"
    frame, _ = pairs("alert_dpo", [PAIR | {"prompt": wrapped.format("One")}])
    assert frame["prompt"].to_list() == ["One"]
    with pytest.raises(DataError, match="nothing but its wrapper"):
        pairs("alert_dpo", [PAIR | {"prompt": wrapped.format(" ")}])


def test_pairs_in_parquet_are_named_by_row(pairs):
    rows = [PAIR | {"id": 7}, PAIR | {"id": 8, "prompt": "Two"}]
    frame, _ = pairs("safe_to_serve", rows, suffix="parquet")
    assert frame["source_row"].to_list() == [1, 2]
    rows[1]["prompt"] = None
    with pytest.raises(DataError, match="row 2: field 'prompt' must be text, not null"):
        pairs("safe_to_serve", pl.DataFrame(rows), suffix="parquet")
    with pytest.raises(DataError, match="row 1: not readable as parquet"):
        pairs("safe_to_serve", "no table", suffix="parquet")


# ------------------------------------------------------------------ instructions


def tasks(name, count, **changes):
    return [
        {"instruction": f"{name} {i}", "input": "", "output": f"answer {i}", **changes}
        for i in range(count)
    ]


def mix(pairs, *parts):
    contents, keys = zip(*parts, strict=True)
    return pairs("instructions", *contents, parts=keys)


def test_a_mix_holds_exactly_what_each_part_gives(pairs):
    frame, facts = mix(pairs, (tasks("help", 50), {"limit": 20}), (tasks("a", 10), {}))
    assert facts["parts"] == {"s0": 20, "s1": 10}
    assert facts["dropped"] == {"over_limit": 30}
    assert frame["source"].value_counts(sort=True)["count"].to_list() == [20, 10]
    assert frame["rejected"].null_count() == 30


def test_a_mix_larger_than_its_source_is_refused_with_both_numbers(pairs):
    rows = [*tasks("b", 10), *tasks("none", 3, output=" ")]
    with pytest.raises(DataError, match=r"takes 12 rows of s1, but only 10 .*'empty_r"):
        mix(pairs, (tasks("a", 5), {}), (rows, {"limit": 12}))


def test_a_row_of_two_parts_is_taken_once(pairs):
    frame, facts = mix(pairs, (tasks("same", 4), {}), (tasks("same", 6), {}))
    assert frame.height == 6
    assert facts["dropped"] == {"duplicate": 4}


def test_an_input_stands_below_its_heading(pairs):
    content = [
        {"instruction": "Sort.", "input": "b a", "output": "a b"},
        {"instruction": "Greet.", "input": " ", "output": "Hello."},
    ]
    frame, _ = mix(pairs, (content, {"input_heading": "### Input:"}))
    assert frame["prompt"].to_list() == ["Sort.\n\n### Input:\nb a", "Greet."]


@pytest.fixture
def chosen(tmp_path):
    """Prepare prompts with chosen answers: source to rows, and the parts' limits."""
    known = {"files": {"train": "rows.json"}, "licence": "MIT", "content": "none"}
    source = SourceSpec(format="instructions", **known)

    def prepare(rows, **limits):
        files = []
        for name, own in rows.items():
            files.append(tmp_path / f"{name}.jsonl")
            lines = (json.dumps({"instruction": a, "output": b}) for a, b in own)
            files[-1].write_text("\n".join(lines))
        parts = [PartSpec(source=name, limit=limits.get(name)) for name in rows]
        out = tmp_path / "out.parquet"
        prepare_chosen("refusals", parts, [source] * len(parts), files, out)
        return read_table(out, PROMPT), read_manifest(out)

    return prepare


def test_a_prompt_has_its_chosen_answer_and_says_its_source(chosen, asked):
    frame, facts = chosen({"safe": [("ask a", " no \n")], "good": [("ask b", "yes")]})
    assert frame["category"].to_list() == ["safe", "good"]
    assert frame["reference"].to_list() == ["no", "yes"]
    assert asked(frame) == ["ask a", "ask b"]
    assert frame["prompt_id"].n_unique() == frame["cluster"].n_unique() == 2
    assert facts["parts"] == {"good": 1, "safe": 1}
    assert facts["dropped"] == {}


def test_rows_without_an_answer_and_prompts_asked_twice_are_counted(chosen, tmp_path):
    frame, facts = chosen(
        {
            "safe": [("ask a", "no"), ("Ask  a", "never"), ("ask b", " ")],
            "good": [("ASK A", "yes"), ("ask c", "yes")],
        }
    )
    assert frame["reference"].to_list() == ["no", "yes"]
    assert facts["dropped"] == {"duplicate_prompt": 2, "empty_response": 1}
    assert facts["dropped_lines"] == {"duplicate_prompt": [2, 1], "empty_response": [3]}
    (tmp_path / "out.parquet").unlink()
    with pytest.raises(DataError, match="none of 1 rows becomes an instruction with"):
        chosen({"good": [("ask", "")]})
    assert not (tmp_path / "out.parquet").exists()


def test_answered_instructions_become_documents(tmp_path):
    add = {"instruction": "Add.", "input": "1 and 2", "output": "3"}
    files = {"one": [add, {"instruction": "Sing.", "output": " "}], "two": [add]}
    paths = [tmp_path / name for name in ("one.json", "two.json")]
    for path in paths:
        path.write_text(json.dumps(files[path.stem]))
    out, manifest = tmp_path / "out.jsonl", tmp_path / "manifest.json"
    gather_texts(paths, out, manifest)
    turns = [("user", "Add.\n\n1 and 2"), ("assistant", "3")]
    document = [{"role": role, "content": text} for role, text in turns]
    lines = out.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"messages": document}] * 2
    facts = json.loads(manifest.read_text())
    assert (facts["rows"], facts["dropped"]) == (2, {"empty_response": 1})
    out.unlink()
    paths[0].write_text('[{"instruction": "Add."}]')
    with pytest.raises(DataError, match=r"one\.json: 1 problem"):
        gather_texts(paths, out, manifest)
    assert not out.exists()
