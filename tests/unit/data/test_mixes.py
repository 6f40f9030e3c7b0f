"""Instructions as training rows, from one file or mixed from several."""

import json
from pathlib import Path

import pytest

from safegrid.config.dataset import DatasetSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE
from safegrid.data.preferences import prepare_dataset


def source():
    return SourceSpec(format="instructions", files={"a": "a"}, licence="-", content="-")


def rows(name, count, **changes):
    return [
        {"instruction": f"{name} {i}", "input": "", "output": f"answer {i}", **changes}
        for i in range(count)
    ]


@pytest.fixture
def mix(tmp_path: Path):
    """Mix files, each with the keys of its part."""

    def _mix(*parts, **changes):
        files = []
        for number, (content, _) in enumerate(parts):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(json.dumps(content))
        blocks = [
            {"source": f"s{number}", "file": "a", **keys}
            for number, (_, keys) in enumerate(parts)
        ]
        spec = DatasetSpec(parts=blocks, max_length=9, **changes)
        out = tmp_path / "out.parquet"
        prepare_dataset(spec, [source()] * len(parts), files, out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _mix


def test_a_mix_holds_exactly_what_each_part_gives(mix):
    frame, facts = mix((rows("help", 50), {"limit": 20}), (rows("harm", 10), {}))
    assert facts["parts"] == {"s0": 20, "s1": 10}
    assert facts["dropped"] == {"over_limit": 30}
    assert frame["source"].value_counts(sort=True)["count"].to_list() == [20, 10]
    assert frame["rejected"].null_count() == 30


def test_a_smaller_mix_is_part_of_a_larger_one(mix):
    asked = rows("harm", 100)
    small, large = (
        set(mix((rows("help", 9), {}), (asked, {"limit": n}))[0]["prompt"])
        for n in (10, 60)
    )
    assert small < large
    assert len(large) == 69


def test_a_mix_larger_than_its_source_is_refused_with_both_numbers(mix, tmp_path):
    empty = rows("none", 3, output=" ")
    with pytest.raises(DataError, match=r"takes 12 rows of s1, but only 10 .*'empty_r"):
        mix((rows("help", 5), {}), ([*rows("harm", 10), *empty], {"limit": 12}))
    assert not (tmp_path / "out.parquet").exists()


def test_a_row_of_two_parts_is_taken_once(mix):
    frame, facts = mix((rows("same", 4), {}), (rows("same", 6), {}))
    assert frame.height == 6
    assert facts["dropped"] == {"duplicate": 4}


def test_an_input_stands_below_its_heading(mix):
    content = [
        {"instruction": "Sort.", "input": "b a", "output": "a b"},
        {"instruction": "Greet.", "input": " ", "output": "Hello."},
    ]
    frame, _ = mix((content, {"input_heading": "### Input:"}))
    assert frame["prompt"].to_list() == ["Sort.\n\n### Input:\nb a", "Greet."]
