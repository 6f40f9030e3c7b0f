"""Files of the configuration as users may leave them: each fault is told."""

import os

import pytest

from safegrid.config.documents import Problems
from safegrid.config.yaml_files import LARGEST_BYTES, read_document

BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def read(tmp_path):
    """Return a reader of a text or bytes: the data, and the problems told."""

    def of(written):
        path = tmp_path / "a.yaml"
        path.write_bytes(
            written if isinstance(written, bytes) else written.encode("utf-8")
        )
        problems = Problems()
        found = read_document(path, problems)
        return found.data, [line.removeprefix(str(path)) for line in problems.found]

    return of


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("010", 10),
        ("0x1F", 31),
        ("-5e-6", -5e-6),
        (".5", 0.5),
        ("'5'", "5"),
        ("!!str 5", "5"),
    ],
)
def test_plain_words_are_read_as_yaml_1_2_has_them(read, written, value):
    data, told = read(f"a: {written}\n")
    assert told == []
    assert (data["a"], type(data["a"])) == (value, type(value))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("a: [1\nb: 2\n", ":2: syntax: not readable as YAML"),
        ("- a\n- b\n", ":1: file: must be a mapping"),
        ("a: 1\n---\nb: 1\n", "syntax: not readable as YAML"),
        ("a: 1\nb: 2\na: 3\n", ":3: a: stands twice, first on line 1"),
        ("a: {b: 1, b: 2}\n", ":1: a.b: stands twice"),
        ("1: x\n", ":1: 1: a key must be text, and this is a number"),
        ("a: {true: x}\n", ":1: a.true: a key must be text, and this is a truth"),
        ("~: x\n", "a key must be text, and this is null"),
        ("? [1, 2]\n: x\n", "a key must be text"),
        ("a: .inf\n", ":1: a: got .inf: must be a finite number"),
        ("a: [1, -.INF]\n", ":1: a.1: got -.INF: must be a finite number"),
        ("a: 1e999\n", "a: got 1e999: must be a finite number"),
        (f"a: {'9' * 5000}\n", "must be a finite number"),
        ("a: !!python/object:os.system x\n", "is no kind of value here"),
        ("a: !!timestamp 2026-01-01\n", "`!timestamp` is no kind of value"),
        ('a: "x\\0y"\n', "must hold no control characters"),
        ('"x\\0": y\n', "a key must hold no control characters"),
        ("a: &a {b: *a}\n", "nests deeper than 50: an anchor stands in itself"),
        ("a: *b\n", "syntax: not readable as YAML"),
        ("a: {<<: 1}\n", "what is merged must be a mapping"),
        ("a: " + "[" * 300 + "]" * 300, "nests deeper than 50"),
        # So many would end the interpreter if they were composed.
        ("a: " + "[" * 1_000_000, "nests deeper than 50"),
        (BOMB, "values, anchors counted at each use"),
        (b"b: 1\na: \xff\xfe", ":2: file: not UTF-8: byte 0xff"),
        ("a: 1\n".encode("utf-16"), ":1: file: UTF-16 text: save it as UTF-8"),
        (b"a: " + b"x" * LARGEST_BYTES, "bytes; a file of the configuration has at"),
    ],
)
def test_what_is_no_configuration_is_told_with_its_place(read, written, told):
    _, found = read(written)
    assert len(found) == 1
    assert told in found[0]


def test_a_byte_order_mark_and_an_empty_file_are_no_fault(read):
    assert read(b"\xef\xbb\xbfa: 1\n") == ({"a": 1}, [])
    assert read("") == ({}, [])
    assert read("# nothing\n") == ({}, [])


def test_a_mapping_is_merged_below_the_keys_of_its_own(read):
    text = "a: &a {b: 1, c: 2}\nd: &d {c: 4, e: 5}\nf: {c: 3, <<: [*a, *d]}\n"
    data, told = read(text)
    assert told == []
    assert list(data["f"].items()) == [("b", 1), ("c", 3), ("e", 5)]


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), os.mkfifo, lambda p: None])
def test_what_is_no_file_is_told(tmp_path, make):
    path, problems = tmp_path / "a.yaml", Problems()
    make(path)
    assert read_document(path, problems).data == {}
    assert problems.found[0].startswith(f"{path}: file: is no")
