"""Nothing is read from what was edited or damaged since it was written."""

from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import (
    METADATA_KEY,
    manifest,
    read_manifest,
    read_stream,
    read_table,
    write_stream,
    write_table,
)
from safegrid.core.errors import DataError
from safegrid.core.records import IDS
from safegrid.core.seals import OWN, STUDY, check_seal, read_result, write_result
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import read_rows
from safegrid.workflow.failures import damaged

RESPONSES = Path("results/s/responses/base/dpo/seed0/alert.parquet")
MODEL = Path("results/s/models/b/r/seed0")
ROWS = [{"prompt_id": f"p{n}", "ids": [n, n + 1]} for n in range(50)]
FRAME = pl.DataFrame(ROWS, schema=IDS)


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(STUDY, raising=False)


def written() -> Path:
    write_table(RESPONSES, FRAME, IDS, manifest("generate", {}, {}, rows=50))
    return RESPONSES


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_one_flipped_bit_anywhere_in_a_table_is_seen():
    whole = written().read_bytes()
    for place in range(0, len(whole), 31):
        flip(RESPONSES, place)
        with pytest.raises(DataError, match=r"alert\.parquet: "):
            read_table(RESPONSES, IDS)
        RESPONSES.write_bytes(whole)
    assert read_table(RESPONSES, IDS).rows(named=True) == ROWS


@pytest.mark.parametrize(
    "read", [lambda p: read_table(p, IDS), lambda p: next(read_stream(p, IDS))]
)
def test_rows_that_were_edited_beside_their_manifest_are_refused(read):
    written()
    kept = pl.read_parquet_metadata(RESPONSES)[METADATA_KEY]
    edited = FRAME.with_columns(prompt_id=pl.lit("x"))
    edited.write_parquet(RESPONSES, metadata={METADATA_KEY: kept})
    with pytest.raises(DataError, match="edited or damaged"):
        read(RESPONSES)
    edited.write_parquet(RESPONSES)
    with pytest.raises(DataError, match="carries no own_sha256"):
        read(RESPONSES)


@pytest.mark.parametrize("length", [0, 1, 20, -1, -8, -200])
def test_a_table_that_was_cut_off_is_named(length):
    RESPONSES.write_bytes(written().read_bytes()[:length])
    with pytest.raises(DataError, match=r"alert\.parquet: (carries no|is not as)"):
        read_manifest(RESPONSES)


def test_the_text_of_a_seal_in_rows_or_facts_is_no_seal(tmp_path):
    path = tmp_path / "ids.parquet"
    rows = [{"prompt_id": f'"{OWN}": "{"a" * 64}"', "ids": [1]}]
    write_stream(path, rows, IDS, lambda n: {"zone": rows[0]["prompt_id"]})
    assert list(read_stream(path, IDS)) == rows
    assert read_manifest(path) == {"zone": rows[0]["prompt_id"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"pairs": [], "own_sha256": "%s"}' % ("0" * 64), "edited or damaged"),
        ("[1, 2]", "carries no own_sha256"),
        ("", "carries no own_sha256"),
        ('{"own_sha256": "12"}', "carries no own_sha256"),
        (None, "is a folder"),
    ],
)
def test_a_json_result_that_is_not_as_it_was_written_is_named(text, told):
    path = Path("results/s/overlap/alert.json")
    write_result(path, {"pairs": [1]})
    assert read_result(path) == {"pairs": [1]}
    path.unlink()
    if text is None:
        path.mkdir()
    else:
        path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_result(path)


@pytest.mark.parametrize(
    ("path", "study", "output"),
    [
        (RESPONSES, "s", RESPONSES),
        ("results/bases/b/tokenizer.json", "mini", "results/bases/b"),
        (f"{MODEL}/history.parquet", "s", MODEL),
        ("/there/results/s/scores.parquet", "s", "results/s/scores.parquet"),
    ],
)
def test_a_damaged_result_is_named_with_the_commands_that_make_it_again(
    path, study, output, monkeypatch
):
    monkeypatch.setenv(STUDY, "mini")
    with pytest.raises(DataError) as caught:
        check_seal(Path(path))
    assert str(caught.value) == (
        f"{path}: is not there; nothing was taken from it\n"
        "  to make it again, and what is behind it:"
        f" make study STUDY={study} REBUILD_DAMAGED=1\n"
        f"  or: snakemake --cores 2 --config study={study} --forcerun {output}"
    )


def test_a_fetched_file_that_was_edited_is_not_read():
    file = Path("results/raw/source/data/rows.jsonl")
    file.parent.mkdir(parents=True)
    file.write_text('{"a": 1}\n')
    pins = {"data/rows.jsonl": {"sha256": "8a" * 32, "bytes": 9}}
    write_result(file.with_name("rows.jsonl.manifest.json"), {"files": pins})
    with pytest.raises(DataError, match=f"--forcerun {file}"):
        list(read_rows(file, FileProblems(file)))


def test_a_studys_damaged_results_are_found():
    whole, cut = Path("results/s/scores.parquet"), Path("results/s/runs.parquet")
    for path in (whole, cut):
        write_table(path, FRAME, IDS, {})
    cut.write_bytes(cut.read_bytes()[:100])
    MODEL.mkdir(parents=True)
    (MODEL / "manifest.json").write_text("[]")
    Path("results/raw/w").mkdir(parents=True)
    Path("results/raw/w/rows.json").write_text("[]")
    Path("results/s/report.html").write_text("")
    listed = [whole, cut, MODEL, "results/raw/w/rows.json", "results/s/report.html"]
    rows = "".join(f"{path}\t-\trule\t-\tok\tno update\n" for path in [*listed, "gone"])
    found = dict(damaged(f"output_file\tdate\trule\n{rows}"))
    assert list(found) == [cut, MODEL]
    assert "manifest.json: carries no own_sha256" in found[MODEL]
