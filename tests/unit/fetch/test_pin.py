"""What `safegrid pin` finds out and writes, and how it says what it cannot."""

import json
import logging

import pytest
import yaml

from hub_stand_in import Repository, sha256
from safegrid.core.errors import SourceError
from safegrid.fetch.choose import INDEX
from safegrid.fetch.pin import pin

ROWS = b"row\n" * 1000
SHARD = "model-00001-of-00001.safetensors"
TERMS = {"licence": "MIT", "content": "rows of a test"}


@pytest.fixture
def config(registries, hub):
    """A configuration with a data set, a model and an address, all unpinned."""
    hub.add("dataset", "owner/rows", files={"a.jsonl": ROWS, "b.jsonl": b"b"}).large = (
        "a.jsonl",
    )
    index = json.dumps({"weight_map": {"w": SHARD}}).encode()
    files = {"config.json": b"{}", INDEX: index, SHARD: b"w", "old.bin": b"o"}
    hub.add("model", "owner/base", files=files, large=(SHARD, "old.bin"))
    hub.plain["at/c.csv"] = b"c"
    source = {"format": "alert", **TERMS}
    return registries(
        sources={
            "rows": {**source, "hub": "owner/rows", "files": {"a": "a.jsonl"}},
            "at": {**source, "url": f"{hub.url}/plain/at", "files": {"c": "c.csv"}},
            "grown": {**source, "world": "mini", "files": {"a": "a"}},
        },
        bases={"base": {**TERMS, "hub": "owner/base"}},
    )


def lock(config):
    return yaml.safe_load((config / "sources.lock.yaml").read_text())


def change(config, registry, name, **fields):
    path = config / f"{registry}.yaml"
    entries = yaml.safe_load(path.read_text())
    entries[name] = {**entries.get(name, {}), **fields}
    path.write_text(yaml.safe_dump(entries))


def test_code_is_pinned_in_a_repository_of_models(config, hub):
    file = "custom_generate/generate.py"
    code = hub.add("model", "owner/code", files={file: b"run", "README.md": b"r"})
    fields = {"hub": "owner/code", "format": "custom_generate", "files": {"g": file}}
    change(config, "sources", "code", **TERMS, **fields)
    pin(["code"], config=config)
    (found,) = lock(config)["sources"].values()
    assert found["files"] == {file: code.pins()[file]}
    assert found["revision"] == code.commit


def test_names_become_commits_and_hashes(config, hub):
    pin(config=config)
    found = lock(config)
    assert found["sources"]["rows"] == {
        "upstream": "hub owner/rows",
        "revision": "c" * 40,
        "files": {"a.jsonl": {"sha256": sha256(ROWS), "bytes": len(ROWS)}},
    }
    assert found["sources"]["at"]["files"]["c.csv"]["sha256"] == sha256(b"c")
    assert set(found["bases"]["base"]["files"]) == {"config.json", INDEX, SHARD}
    assert set(found["sources"]) == {"rows", "at"}
    # The hub's word is taken for what is large.
    assert hub.downloads("a.jsonl") == hub.downloads(SHARD) == []
    assert hub.downloads("config.json")


def test_what_is_pinned_is_left_alone_unless_named(config, hub, caplog):
    pin(config=config)
    before = (config / "sources.lock.yaml").read_bytes()
    hub.repositories["datasets", "owner/rows"].commit = "d" * 40
    pin(config=config)
    assert (config / "sources.lock.yaml").read_bytes() == before
    with caplog.at_level(logging.INFO):
        pin(["rows"], config=config)
    assert lock(config)["sources"]["rows"]["revision"] == "d" * 40
    assert lock(config)["sources"]["at"] == yaml.safe_load(before)["sources"]["at"]
    assert "it was something else before" in caplog.text


def test_a_pointer_in_place_of_a_file_is_not_pinned(config, hub):
    hub.plain["at/c.csv"] = b"version https://git-lfs.github.com/spec/v1\n"
    with pytest.raises(SourceError, match=r"source at: c.csv is a Git LFS pointer"):
        pin(["at"], config=config)


def test_a_pin_of_another_place_does_not_count(config):
    pin(config=config)
    change(config, "sources", "rows", files={"a": "a.jsonl", "b": "b.jsonl"})
    change(config, "bases", "base", ref="main")
    pin(config=config)
    assert "b.jsonl" in lock(config)["sources"]["rows"]["files"]
    assert lock(config)["bases"]["base"]["upstream"] == "hub owner/base@main"


def test_what_cannot_be_pinned_is_one_message_and_keeps_no_other(config, hub):
    change(config, "sources", "rows", files={"a": "rows.jsonl"})
    files = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    hub.repositories["models", "owner/base"].files = files
    change(config, "bases", "gone", hub="owner/gone", **TERMS)
    with pytest.raises(SourceError) as caught:
        pin(config=config)
    message = str(caught.value)
    assert message.startswith("3 could not be pinned\n")
    assert "owner/rows has no rows.jsonl; it has a.jsonl, b.jsonl" in message
    assert "only safetensors are fetched" in message
    assert "owner/gone is gated or private, or is not there" in message
    assert set(lock(config)["sources"]) == {"at"}


def test_a_name_that_is_none_is_told_with_the_likely_one(config):
    with pytest.raises(SourceError, match="did you mean 'rows'"):
        pin(["rwos"], config=config)
    with pytest.raises(SourceError, match="'grown'"):
        pin(["grown"], config=config)


def test_a_folder_of_the_users_is_pinned_when_named(config, tmp_path):
    mine = {"format": "alert", "path": "m", "files": {"a": "a"}, **TERMS}
    change(config, "sources", "mine", **mine)
    pin(config=config)
    assert "mine" not in lock(config)["sources"]
    with pytest.raises(SourceError, match="--sources-dir"):
        pin(["mine"], config=config)
    (tmp_path / "m").mkdir()
    with pytest.raises(SourceError, match="has no a; it has nothing"):
        pin(["mine"], sources_dir=tmp_path, config=config)
    (tmp_path / "m/a").write_bytes(b"a")
    pin(["mine"], sources_dir=tmp_path, config=config)
    assert lock(config)["sources"]["mine"]["files"]["a"]["sha256"] == sha256(b"a")


def test_the_token_opens_what_is_gated_and_is_not_written(config, hub, monkeypatch):
    hub.repositories["models", "owner/base"].gated = True
    with pytest.raises(SourceError, match="set HF_TOKEN"):
        pin(["base"], config=config)
    hub.opening.add("hf_secretsecret")
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    pin(["base"], config=config)
    assert "secret" not in (config / "sources.lock.yaml").read_text()


PICKLE = "pytorch_model.bin"


def converted(commit, pickle=b"p"):
    """What the hub's converter makes of a model of pickles."""
    files = {"config.json": b"{}", PICKLE: pickle, "model.safetensors": b"safe"}
    return Repository(files=files, commit=commit, large=(PICKLE, "model.safetensors"))


def test_of_pickles_the_hubs_own_conversion_is_pinned(config, hub, caplog):
    base = hub.repositories["models", "owner/base"]
    base.files, base.large = {"config.json": b"{}", PICKLE: b"p"}, (PICKLE,)
    # The first one was made of weights that are there no more.
    base.offers = (converted("a" * 40, b"old"), converted("b" * 40))
    pin(["base"], config=config)
    found = lock(config)["bases"]["base"]
    assert found["revision"] == "b" * 40
    assert set(found["files"]) == {"config.json", "model.safetensors"}
    assert "base base: its authors left pickles only" in caplog.text
    assert "owner/base/discussions/2" in caplog.text


def test_a_ref_of_ones_own_and_other_weights_are_left_as_they_are(config, hub):
    base = hub.repositories["models", "owner/base"]
    base.files, base.large = {"config.json": b"{}", PICKLE: b"p"}, (PICKLE,)
    base.offers = (converted("a" * 40, b"old"),)
    with pytest.raises(SourceError, match="only safetensors are fetched"):
        pin(["base"], config=config)
    base.offers = (converted("b" * 40),)
    change(config, "bases", "base", ref="main")
    with pytest.raises(SourceError, match="only safetensors are fetched"):
        pin(["base"], config=config)
    change(config, "bases", "base", ref="refs/pr/1")
    pin(["base"], config=config)
    assert lock(config)["bases"]["base"]["revision"] == "b" * 40


def test_pages_that_stay_closed_are_told_together(config, hub, monkeypatch):
    for kind, name in (("models", "owner/base"), ("datasets", "owner/rows")):
        hub.repositories[kind, name].gated = True
    # What the hub says of large files would be enough to pin it.
    change(config, "sources", "rows", gated=True)
    monkeypatch.setenv("HF_TOKEN", "hf_known")
    hub.known.add("hf_known")
    with pytest.raises(SourceError) as caught:
        pin(config=config)
    assert str(caught.value).splitlines() == [
        "2 could not be pinned",
        "  each of these 2 is gated and your token does not open it: accept its terms"
        " there with the account that the token belongs to, and see that the token may"
        " read gated repositories",
        f"    source rows: {hub.url}/datasets/owner/rows",
        f"    base base: {INDEX}: {hub.url}/owner/base",
    ]
    assert set(lock(config)["sources"]) == {"at"}


def test_of_a_model_in_one_file_that_file_is_pinned(config, hub, tmp_path):
    files = {"it.gguf": b"g", "README.md": b"r", "more.gguf": b"m"}
    hub.add("model", "owner/gguf", files=files, large=("it.gguf",))
    change(config, "bases", "base", hub="owner/gguf", gguf="it.gguf")
    change(config, "bases", "mine", path="m", gguf="my.gguf", **TERMS)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/my.gguf").write_bytes(b"mine")
    pin(["base", "mine"], sources_dir=tmp_path, config=config)
    bases = lock(config)["bases"]
    assert set(bases["base"]["files"]) == {"it.gguf"}
    assert bases["base"]["upstream"] == "hub owner/gguf it.gguf"
    assert bases["mine"]["files"]["my.gguf"]["sha256"] == sha256(b"mine")
    change(config, "bases", "base", gguf="other.gguf")
    with pytest.raises(SourceError, match=r"no other.gguf; it has README.md, it.gguf"):
        pin(["base"], config=config)
