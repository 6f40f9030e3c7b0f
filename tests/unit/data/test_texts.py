"""Instructions with answers become documents; unanswered ones are counted."""

import json

import pytest

from safegrid.core.errors import DataError
from safegrid.data.instructions import gather_texts

ROWS = [
    {"instruction": "Add.", "input": "1 and 2", "output": "3"},
    {"instruction": "Sing.", "output": " "},
    {"instruction": "Name a bird.", "output": "A wren."},
]


def write(path, rows):
    path.write_text(json.dumps(rows))
    return path


def test_answered_instructions_become_documents(tmp_path):
    one = write(tmp_path / "one.json", ROWS)
    two = write(tmp_path / "two.json", ROWS[2:])
    gather_texts([one, two], tmp_path / "out.jsonl", tmp_path / "manifest.json")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    documents = [json.loads(line)["messages"] for line in lines]
    assert [[turn["content"] for turn in turns] for turns in documents] == [
        ["Add.\n\n1 and 2", "3"],
        ["Name a bird.", "A wren."],
        ["Name a bird.", "A wren."],
    ]
    assert all([t["role"] for t in d] == ["user", "assistant"] for d in documents)
    facts = json.loads((tmp_path / "manifest.json").read_text())
    assert facts["rows"] == 3
    assert facts["dropped"] == {"empty_response": 1}


def test_a_broken_file_is_named_and_nothing_is_written(tmp_path):
    file = write(tmp_path / "one.json", [{"instruction": "Add."}])
    with pytest.raises(DataError, match=r"one\.json: 1 problem"):
        gather_texts([file], tmp_path / "out.jsonl", tmp_path / "manifest.json")
    assert not (tmp_path / "out.jsonl").exists()
