"""The readers on rows of the real sets, where a copy of them lies beside the checkout.

Expected counts are those of the published files (dataset cards and authors' csv).
"""

import os
from pathlib import Path

import pytest

from safegrid.artifacts import read_manifest, read_table
from safegrid.config.data import (
    PROMPT_FORMATS,
    DatasetSpec,
    PromptKind,
    PromptSpec,
    SourceSpec,
)
from safegrid.data.preferences import prepare_dataset
from safegrid.data.prompts import prepare_prompts
from safegrid.records import PREFERENCE, PROMPT

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
SIXTEEN = "pku_saferlhf_sample/pku_saferlhf_v2_schema_3rows.jsonl"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"no rows of the real sets in {SHARED}; set SAFEGRID_SHARED_DATA to a copy",
)


def pairs(tmp_path: Path, name: str, **changes: object):
    spec = DatasetSpec.model_validate({"source": "pku", "max_length": 1, **changes})
    source = SourceSpec(format="pku", files={"a": "a"}, licence="-", content="-")
    out = tmp_path / "out.parquet"
    prepare_dataset(spec, source, SHARED / name, out)
    return read_table(out, PREFERENCE), read_manifest(out)


def prompts(tmp_path: Path, kind: PromptKind, name: str):
    source = SourceSpec(
        format=PROMPT_FORMATS[kind], files={"a": "a"}, licence="-", content="-"
    )
    out = tmp_path / "out.parquet"
    spec = PromptSpec(source="s", file="a", kind=kind)
    prepare_prompts(kind, spec, source, SHARED / name, out)
    return read_table(out, PROMPT), read_manifest(out)


def test_the_seven_column_sample_with_all_safety_combinations(tmp_path):
    name = "pku_saferlhf_sample/align_anything_preference_train.json"
    frame, manifest = pairs(tmp_path, name)
    assert frame.height == 5
    assert manifest["dropped"] == {"both_unsafe": 16, "both_safe": 11}
    frame, _ = pairs(tmp_path, name, keep="safer_response_id")
    assert frame.height == 32


def test_the_seven_column_rows_of_c2_eval(tmp_path):
    frame, manifest = pairs(tmp_path, "course_correction_c2eval/test.jsonl")
    assert frame.height == 65
    assert manifest["dropped"] == {"both_unsafe": 435}
    assert frame["pair_id"].n_unique() == 65


def test_the_sixteen_column_rows_carry_their_checksums(tmp_path):
    frame, manifest = pairs(tmp_path, SIXTEEN, keep="safer_response_id")
    assert frame.height == 3
    assert "checksum_mismatch" not in manifest["dropped"]
    assert frame["category"].null_count() == manifest["without_category"] == 2


def test_xstest_in_full(tmp_path):
    frame, _ = prompts(tmp_path, "xstest", "xstest/xstest_prompts.csv")
    assert frame.height == 450
    assert frame["reference"].value_counts().sort("reference")["count"].to_list() == [
        250,
        200,
    ]
    assert frame["category"].n_unique() == 18
    contrast = frame["category"].str.starts_with("contrast_")
    assert (contrast == (frame["reference"] == "unsafe")).all()


def test_a_tenth_of_the_toxicity_prompts(tmp_path):
    name = "realtoxicityprompts/quark_val_every10th_500.jsonl"
    frame, manifest = prompts(tmp_path, "toxicity", name)
    assert frame.height == 500
    assert manifest["counts"]["without_score"] == 2
    assert frame["attack"].count() == 131
