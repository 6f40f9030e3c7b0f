"""A model's folder: safetensors only, whole, with its template and its manifest."""

import json

import pytest

from hub_stand_in import sha256
from safegrid.config.lock import FetchSpec
from safegrid.core.errors import DataError, SourceError
from safegrid.fetch.choose import INDEX, model_files
from safegrid.fetch.run import fetch_model
from safegrid.models.checkpoints import weights_of

WEIGHTS = b"\2\0\0\0\0\0\0\0{}"
FILES = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "bases/it"


@pytest.fixture
def repository(hub):
    large = ("model.safetensors",)
    return hub.add("model", "owner/it", files=dict(FILES), large=large)


def refusal(spec, out, local=None):
    """Return why a model is refused; no folder may stand under its name."""
    with pytest.raises(SourceError) as caught:
        fetch_model(spec, out, local)
    assert not out.exists()
    return str(caught.value)


def test_a_model_arrives_with_its_manifest(out, repository, spec):
    fetch_model(spec("base", repository), out)
    assert {path.name for path in out.iterdir()} == {*FILES, "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["revision"] == repository.commit
    assert manifest["files"] == repository.pins()
    assert manifest["template"] == "none"
    (out / "manifest.json").unlink()
    assert weights_of(out) == manifest["weights"]


def test_a_template_is_stored_where_the_checkpoint_has_none(out, repository, spec):
    fetch_model(spec("base", repository, template="{{ ours }}"), out)
    assert (out / "chat_template.jinja").read_text() == "{{ ours }}"
    assert json.loads((out / "manifest.json").read_text())["template"] == (
        "the configuration's"
    )


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("chat_template.jinja", b"{{ theirs }}"),
        ("tokenizer_config.json", b'{"chat_template": "{{ theirs }}"}'),
    ],
)
def test_a_template_of_the_checkpoint_stays(out, repository, spec, file, content):
    repository.files[file] = content
    fetch_model(spec("base", repository, template="{{ ours }}"), out)
    assert (out / file).read_bytes() == content
    assert "ours" not in "".join(path.read_text() for path in out.glob("*.j*"))


def test_a_run_that_broke_off_goes_on_with_the_missing_files(
    out, repository, spec, hub
):
    wanted = spec("base", repository)
    hub.cuts["tokenizer.json"] = [0] * 50
    assert "cannot be reached" in refusal(wanted, out)
    hub.cuts.clear()
    hub.asked.clear()
    fetch_model(wanted, out)
    assert hub.downloads("config.json") == []
    assert {path.name for path in out.iterdir()} == {*FILES, "manifest.json"}
    assert [p.name for p in out.parent.iterdir() if p.is_dir()] == ["it"]


def test_a_wrong_file_keeps_the_folder_from_its_name(out, repository, spec):
    wanted = spec("base", repository)
    repository.files["model.safetensors"] = WEIGHTS[::-1]
    assert "model.safetensors: got" in refusal(wanted, out)


def test_another_revision_takes_the_old_ones_place(out, repository, spec, hub):
    fetch_model(spec("base", repository), out)
    del repository.files["tokenizer_config.json"]
    repository.files["config.json"] = b'{"new": 1}'
    hub.asked.clear()
    fetch_model(spec("base", repository), out)
    assert (out / "config.json").read_bytes() == b'{"new": 1}'
    assert not (out / "tokenizer_config.json").exists()


@pytest.mark.parametrize("file", ["pytorch_model.bin", "scaler.pkl", "run.py"])
def test_files_that_can_run_code_are_refused_though_pinned(
    out, repository, spec, file, hub
):
    repository.files[file] = b"code"
    message = refusal(spec("base", repository), out)
    assert f"{file} can run code" in message
    assert hub.asked == []


def test_code_that_the_registry_allows_needs_the_users_word(
    out, repository, spec, monkeypatch
):
    repository.files["modeling_it.py"] = b"code"
    wanted = spec("base", repository, remote_code=True)
    assert "set SAFEGRID_REMOTE_CODE=it" in refusal(wanted, out)
    monkeypatch.setenv("SAFEGRID_REMOTE_CODE", "other,it")
    fetch_model(wanted, out)
    assert (out / "modeling_it.py").read_bytes() == b"code"


NEEDS_CODE = b'{"model_type": "it", "auto_map": {"AutoConfig": "it.ItConfig"}}'
HAS_CODE = b'{"model_type": "falcon", "auto_map": {"AutoConfig": "it.ItConfig"}}'


@pytest.mark.slow
def test_a_model_that_needs_code_is_refused_before_its_weights_come(
    out, repository, spec, hub, monkeypatch
):
    # Smaller than the settings that say so.
    repository.files["config.json"] = NEEDS_CODE
    message = refusal(spec("base", repository), out)
    assert message.startswith("base it: ")
    assert "config.json names it.ItConfig" in message
    assert hub.downloads("model.safetensors") == []
    monkeypatch.setenv("SAFEGRID_REMOTE_CODE", "it")
    # The user's word counts for entries alone whose registry asks for it.
    assert "needs Python code of its own" in refusal(spec("base", repository), out)
    fetch_model(spec("base", repository, remote_code=True), out)
    assert (out / "config.json").read_bytes() == NEEDS_CODE


@pytest.mark.slow
@pytest.mark.parametrize("settings", [NEEDS_CODE, HAS_CODE], ids=["needed", "not"])
def test_the_code_in_a_folder_of_the_users_is_left_there(out, tmp_path, settings):
    files = {"config.json": settings, "it.py": b"raise SystemExit"}
    folder = own_folder(tmp_path, **files)
    wanted = FetchSpec(kind="base", name="it", path="mine")
    if settings == NEEDS_CODE:
        assert "transformers has no family 'it'" in refusal(wanted, out, folder)
        return
    fetch_model(wanted, out, folder)
    assert not (out / "it.py").exists()


def own_folder(tmp_path, **files):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in {**FILES, **files}.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_of_the_users_is_copied_without_what_is_no_model(out, tmp_path):
    folder = own_folder(tmp_path, **{"optimizer.pt": b"x", "notes.txt": b"x"})
    fetch_model(FetchSpec(kind="base", name="it", path="mine"), out, folder)
    assert {path.name for path in out.iterdir()} == {*FILES, "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["files"]["model.safetensors"]["sha256"] == sha256(WEIGHTS)
    assert manifest["revision"] is None


def test_pickles_that_were_put_there_by_hand_are_not_read(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="Pickles are not read"):
        weights_of(tmp_path)


def test_weights_are_those_that_the_index_names(tmp_path):
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = {"weight_map": {"a": shards[1], "b": shards[0], "c": shards[0]}}
    names = [*shards, INDEX, "consolidated.safetensors", "config.json", "README.md"]
    (tmp_path / INDEX).write_text(json.dumps(index))
    found = model_files(names, tmp_path, False, "base it")
    assert found == sorted([*shards, INDEX, "config.json"])
    with pytest.raises(SourceError, match=shards[0]):
        model_files([shards[1], INDEX], tmp_path, False, "base it")
