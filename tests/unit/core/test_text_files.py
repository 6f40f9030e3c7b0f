"""Text files: a mark is read over, and what is no text is called by its name."""

from pathlib import Path

import pytest
import yaml

from safegrid.config.documents import Problems
from safegrid.config.registries import read_templates
from safegrid.config.yaml_files import read_document
from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError
from safegrid.core.files import read_json
from safegrid.core.records import PROMPT
from safegrid.core.text_files import NotTextError, decode, placeholder, read_text
from safegrid.report.published import COLUMNS, read_published

BOM = b"\xef\xbb\xbf"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
NOT_TEXT = {
    "a, b".encode("utf-16"): "UTF-16 text: save it as UTF-8",
    b"\xfe\xff\0a": "UTF-16 text",
    "a, b".encode("utf-32"): "UTF-32 text",
    "a\nb".encode("utf-16-le"): "NUL byte, which UTF-8 text does not hold",
    b"a\xff": "not UTF-8: byte 0xff",
    POINTER: "a Git LFS pointer .*`git lfs pull`.* or fetch it again",
    b"/annex/objects/MD5E-s1--0.csv\n": "git-annex pointer .*`git annex get`",
    BOM + b"\n <!DOCTYPE HTML>\n": "an HTML page in place of the file",
    b"<html lang=en>": "an HTML page",
    b"\x1f\x8b\x08": "packed by gzip: unpack it",
    b"PK\x03\x04": "zip archive, which Excel's workbooks are too",
}


@pytest.mark.parametrize(("raw", "reason"), NOT_TEXT.items(), ids=range(len(NOT_TEXT)))
def test_what_is_no_text_is_called_by_its_name(raw: bytes, reason: str) -> None:
    with pytest.raises(NotTextError, match=reason):
        decode(raw)


def test_a_mark_is_read_over_once_and_a_problem_has_its_line() -> None:
    assert decode(BOM + b"a\r\n") == "a\r\n"
    assert decode(BOM + BOM + b"<i>") == "\ufeff<i>"
    for raw in (b"a\nb\0", BOM + b"a\nb\xe9"):
        with pytest.raises(NotTextError) as caught:
            decode(raw)
        assert caught.value.line == 2


def test_every_reader_of_settings_reads_over_a_mark(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    files = {
        "a.json": b'{"a": 1}',
        "a.yaml": b"a: 1\n",
        "templates/a.jinja": b"{{ a }}\r\n",
        "a.csv": (",".join(COLUMNS) + "\np,p,i,,m,u,,s,,,\n").encode(),
    }
    for name, raw in files.items():
        (tmp_path / name).write_bytes(BOM + raw)
    problems = Problems()
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert read_document(tmp_path / "a.yaml", problems).data == {"a": 1}
    assert yaml.safe_load(read_text(tmp_path / "a.yaml")) == {"a": 1}
    assert read_templates(tmp_path, {}, problems) == {"a": "{{ a }}\n"}
    assert read_published(tmp_path / "a.csv")["paper"].to_list() == ["p"]
    assert problems.found == []


def test_settings_of_another_encoding_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes("a: 1".encode("utf-16"))
    problems = Problems()
    read_document(path, problems)
    assert problems.found == [f"{path}:1: file: UTF-16 text: save it as UTF-8"]
    for read in (read_json, read_text):
        with pytest.raises(DataError, match=r"a.*UTF-16 text: save it as UTF-8"):
            read(path)


def test_a_pointer_in_place_of_a_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prompts.parquet"
    path.write_bytes(POINTER)
    with pytest.raises(DataError, match=r"prompts.parquet: a Git LFS pointer"):
        read_table(path, PROMPT)


def test_a_link_of_git_annex_to_nothing_is_a_pointer(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.symlink_to("../.git/annex/objects/aa/bb/MD5E-s1--0/MD5E-s1--0")
    assert "git annex get" in str(placeholder(path))
    assert placeholder(tmp_path / "none.csv") is None
