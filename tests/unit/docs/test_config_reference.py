"""config/README.md and the schemas name every key of every block, and no other."""

import json
import re
from typing import Literal

import jsonschema
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import config_reference as reference
from config_reference import BLOCKS, CONFIG, PAGE, SCHEMAS
from safegrid.config.documents import Problems
from safegrid.config.yaml_files import read_document
from safegrid.report.published import COLUMNS

# Bases of other blocks: no file holds them, or they reach a file through another.
NOT_WRITTEN = {
    "AskedSpec",
    "BeamDecode",
    "BenchmarkEntry",
    "Beams",
    "Block",
    "FetchSpec",
    "HeadSpec",
    "JudgeSpec",
    "GeneratedSpec",
    "ModelUpstream",
    "Recipe",
}
FILES = sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("studies/*.yaml")])


def schema_of(path):
    stem = "studies" if path.parent.name == "studies" else path.stem
    return json.loads((SCHEMAS / f"{stem}.json").read_text("utf-8"))


def test_every_block_has_its_table():
    told = re.findall(r"<!-- keys of (\w+) -->", PAGE.read_text("utf-8"))
    assert sorted(told) == sorted(set(BLOCKS) - NOT_WRITTEN)


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - NOT_WRITTEN))
def test_every_key_has_a_meaning(name):
    model = BLOCKS[name]
    assert reference.own_fields(model).keys() <= reference.meanings(model).keys()


def test_the_page_is_that_of_the_code():
    assert PAGE.read_text("utf-8") == reference.page(), "run make config-reference"


def test_the_schemas_are_those_of_the_code():
    kept = {p.stem: json.loads(p.read_text("utf-8")) for p in SCHEMAS.iterdir()}
    assert kept == reference.schemas(), "run make config-reference"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_files_fit_their_schemas(path):
    schema, data = schema_of(path), read_document(path, Problems()).data
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(data)) == []


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        ("studies/tiny", lambda data: data.update(sed=1)),
        ("studies/tiny", lambda data: data.pop("bases")),
        ("studies/tiny", lambda data: data.update(seed="1")),
        ("judges", lambda data: data["fluency"].update(kind="guards")),
        ("gpus", lambda data: data["h200"].update(memory=1)),
    ],
)
def test_a_schema_refuses_what_loading_refuses(stem, change):
    path = CONFIG / f"{stem}.yaml"
    data = read_document(path, Problems()).data
    change(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of(path))


def test_columns_of_published_numbers_are_told():
    text = PAGE.read_text("utf-8").partition("## Published")[2]
    assert re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE) == list(COLUMNS)


def test_a_default_or_a_kind_that_changed_would_be_seen():
    class Other(BaseModel):
        """A block.

        Attributes:
            steps: how many,
                all of them.
        """

        steps: int = 5
        kind: Literal["a", "b"] | None = None
        names: list[str] | str

    fields = Other.model_fields
    assert reference.written(fields["steps"].default) == "`5`"
    assert reference.written(None) == "`null`"
    assert reference.written(PydanticUndefined) == "*needed*"
    kinds = [reference.kind(field.annotation) for field in fields.values()]
    assert kinds == ["integer", "choice", "list of text or text"]
    assert reference.meanings(Other) == {"steps": "how many, all of them."}
