"""One file of a source: whole and as pinned, or not there, with the reason."""

import json
import os
import shutil
import threading

import pytest

from hub_stand_in import sha256
from safegrid.config.lock import FetchSpec
from safegrid.core.errors import SourceError
from safegrid.fetch.run import fetch_source

ROWS = b'{"prompt": "one"}\n' * 5000


@pytest.fixture
def fetch(tmp_path):
    """Fetch a file into a folder of this test and return where it should be."""
    out = tmp_path / "raw/it/data/rows.jsonl"

    def call(spec, file="data/rows.jsonl", local=None):
        manifest = out.with_name("rows.jsonl.manifest.json")
        fetch_source(spec, file, out, manifest, local)
        return out

    call.out = out
    return call


@pytest.fixture
def repository(hub):
    return hub.add("dataset", "owner/it", files={"data/rows.jsonl": ROWS})


def left(fetch):
    """What lies where the file should be, locks aside."""
    if not fetch.out.parent.exists():
        return []
    names = [path.name for path in fetch.out.parent.iterdir()]
    return sorted(name for name in names if not name.endswith(".lock"))


def refusal(fetch, spec, **changes):
    """Return why a fetch is refused; nothing may stand under the file's name."""
    with pytest.raises(SourceError) as caught:
        fetch(spec, **changes)
    assert not [name for name in left(fetch) if not name.endswith(".partial")]
    return str(caught.value)


def test_a_file_arrives_as_pinned_and_its_manifest_says_so(fetch, repository, spec):
    out = fetch(spec("source", repository))
    assert out.read_bytes() == ROWS
    manifest = json.loads(out.with_name("rows.jsonl.manifest.json").read_text())
    assert manifest["stage"] == "fetch"
    assert manifest["params"]["revision"] == repository.commit
    assert manifest["files"] == repository.pins()
    assert left(fetch) == ["rows.jsonl", "rows.jsonl.manifest.json"]


def test_a_large_file_comes_from_another_host_which_gets_no_token(
    fetch, repository, spec, hub, monkeypatch
):
    repository.large = ("data/rows.jsonl",)
    hub.opening.add("hf_right")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert fetch(spec("source", repository)).read_bytes() == ROWS
    tokens = {asked.host: asked.token for asked in hub.asked}
    assert tokens == {"127.0.0.1": "hf_right", "localhost": None}


def test_code_comes_from_a_repository_of_models_and_by_consent(
    fetch, hub, spec, monkeypatch
):
    code = hub.add("model", "owner/it", files={"data/rows.jsonl": b"run = 1"})
    wanted = spec("source", code, remote_code=True)
    assert "set SAFEGRID_REMOTE_CODE=it" in refusal(fetch, wanted)
    assert hub.asked == []
    monkeypatch.setenv("SAFEGRID_REMOTE_CODE", "it")
    assert fetch(wanted).read_bytes() == b"run = 1"


def test_a_cut_connection_is_gone_on_with(fetch, repository, spec, hub):
    hub.cuts["data/rows.jsonl"] = [30_000, 20_000]
    assert fetch(spec("source", repository)).read_bytes() == ROWS
    ranges = [asked.range for asked in hub.downloads("data/rows.jsonl")]
    assert ranges == [None, "bytes=30000-", "bytes=50000-"]


def test_a_server_that_is_busy_is_asked_again(fetch, repository, spec, hub):
    hub.busy["data/rows.jsonl"] = 50
    refusal(fetch, spec("source", repository))
    hub.busy["data/rows.jsonl"] = 1
    assert fetch(spec("source", repository)).read_bytes() == ROWS


def test_a_server_that_is_gone_leaves_what_was_received_for_the_next_time(
    fetch, repository, spec, hub
):
    hub.cuts["data/rows.jsonl"] = [30_000, *[0] * 50]
    assert "cannot be reached" in refusal(fetch, spec("source", repository))
    (partial,) = left(fetch)
    assert (fetch.out.parent / partial).read_bytes() == ROWS[:30_000]
    hub.cuts.clear()
    hub.asked.clear()
    assert fetch(spec("source", repository)).read_bytes() == ROWS
    assert hub.downloads("data/rows.jsonl")[0].range == "bytes=30000-"
    assert left(fetch) == ["rows.jsonl", "rows.jsonl.manifest.json"]


def test_what_another_pin_left_is_not_gone_on_with(fetch, repository, spec, hub):
    hub.cuts["data/rows.jsonl"] = [30_000, *[0] * 50]
    refusal(fetch, spec("source", repository))
    hub.cuts.clear()
    hub.asked.clear()
    repository.files["data/rows.jsonl"] = ROWS.upper()
    assert fetch(spec("source", repository)).read_bytes() == ROWS.upper()
    assert hub.downloads("data/rows.jsonl")[0].range is None


@pytest.mark.parametrize("served", [ROWS.upper(), ROWS[:-1], ROWS + b"\n"])
def test_other_bytes_than_the_pinned_are_refused_and_removed(
    fetch, repository, spec, served
):
    wanted = spec("source", repository)
    repository.files["data/rows.jsonl"] = served
    message = refusal(fetch, wanted)
    assert f"the lock says {len(ROWS)} bytes with {sha256(ROWS)}" in message
    assert left(fetch) == []


@pytest.mark.parametrize(
    ("known", "sentence"), [(True, "accept its terms"), (False, "it has expired")]
)
def test_a_token_that_does_not_open_is_told_and_not_repeated(
    fetch, repository, spec, hub, monkeypatch, known, sentence
):
    repository.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    if known:
        hub.known.add("hf_secretsecret")
    message = refusal(fetch, spec("source", repository))
    assert sentence in message
    assert "secret" not in message


def test_a_token_that_opens_the_gate_leaves_no_trace(
    fetch, repository, spec, hub, monkeypatch, tmp_path, caplog, capfd
):
    repository.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.opening.add("hf_secretsecret")
    hub.cuts["data/rows.jsonl"] = [10]
    fetch(spec("source", repository))
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    told = caplog.text + "".join(capfd.readouterr())
    assert b"secret" not in written
    assert "secret" not in told


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"files": {}}, ["safegrid pin --names it"]),
        ({"revision": "d" * 40}, ["has no such revision", "safegrid pin --names it"]),
        ({"hub": "owner/other"}, ["owner/other is gated or private, or is not there"]),
        ({"hub": "owner/gated"}, ["/datasets/owner/gated is gated", "set HF_TOKEN"]),
        ({"hub": "owner/empty"}, ["has no such file"]),
    ],
)
def test_what_cannot_be_had_is_told_with_what_to_do(
    fetch, repository, spec, hub, changes, sentences
):
    hub.add("dataset", "owner/gated", files=repository.files, gated=True)
    hub.add("dataset", "owner/empty", files={})
    message = refusal(fetch, spec("source", repository, **changes))
    assert all(sentence in message for sentence in sentences)


def test_a_full_disk_keeps_what_fitted_and_says_so(fetch, repository, spec):
    wanted = spec("source", repository)
    pin = wanted.files["data/rows.jsonl"]
    partial = fetch.out.with_name(f".rows.jsonl.{pin.sha256[:12]}.partial")
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")  # takes nothing: "no space left on device"
    assert "the disk is full" in refusal(fetch, wanted)


def test_what_does_not_fit_is_not_begun(fetch, repository, spec, hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**24 + 5))
    message = refusal(fetch, spec("source", repository))
    assert f"needs {len(ROWS):,} bytes more" in message
    assert hub.asked == []


def test_two_fetches_at_once_and_one_later_do_the_work_once(
    fetch, repository, spec, hub
):
    hub.slow = 0.5
    wanted = spec("source", repository)
    both = [threading.Thread(target=fetch, args=(wanted,)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert fetch(wanted).read_bytes() == ROWS
    assert len(hub.downloads("data/rows.jsonl")) == 1


def test_with_the_hub_switched_off_nothing_is_asked(
    fetch, repository, spec, hub, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal(fetch, spec("source", repository))
    assert hub.asked == []


def address(hub, content):
    pin = {"sha256": sha256(content), "bytes": len(content)}
    return FetchSpec.model_validate(
        {
            "kind": "source",
            "name": "it",
            "url": f"{hub.url}/plain/abc",
            "files": {"data/rows.jsonl": pin},
        }
    )


def test_an_address_is_fetched_and_resumed_without_a_token(fetch, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.plain["abc/data/rows.jsonl"] = ROWS
    hub.cuts["abc/data/rows.jsonl"] = [100]
    assert fetch(address(hub, ROWS)).read_bytes() == ROWS
    assert [asked.range for asked in hub.asked] == [None, "bytes=100-"]
    assert {asked.token for asked in hub.asked} == {None}


def test_a_page_in_place_of_a_file_is_called_so(fetch, hub):
    hub.plain["abc/data/rows.jsonl"] = b"<!doctype html><p>Log in</p>"
    told = refusal(fetch, address(hub, ROWS))
    assert "an HTML page in place of the file" in told
    assert "but the lock says" in told


def test_an_address_that_is_none_is_told_with_its_status(fetch, hub):
    assert "answered with HTTP status 404" in refusal(fetch, address(hub, ROWS))


def test_a_file_of_the_users_is_copied_and_its_bytes_are_written_down(fetch, tmp_path):
    own = tmp_path / "mine.jsonl"
    own.write_bytes(ROWS)
    spec = FetchSpec(kind="source", name="it", path="mine")
    out = fetch(spec, local=own)
    assert out.read_bytes() == ROWS
    manifest = json.loads(out.with_name("rows.jsonl.manifest.json").read_text())
    (entry,) = manifest["files"].values()
    assert entry == {"sha256": sha256(ROWS), "bytes": len(ROWS)}


def test_a_file_of_the_users_is_held_to_its_pin(fetch, hub, tmp_path):
    own = tmp_path / "mine.jsonl"
    own.write_bytes(ROWS.upper())
    spec = address(hub, ROWS).model_copy(update={"url": None, "path": "mine"})
    assert "but the lock says" in refusal(fetch, spec, local=own)
    own.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "mine.jsonl is a Git LFS pointer" in refusal(fetch, spec, local=own)
    os.remove(own)
    assert "is not there" in refusal(fetch, spec, local=own)
