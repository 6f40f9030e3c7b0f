"""What is told before anything is fetched: a list, or all that is missing at once."""

import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.errors import ConfigError, SourceError
from safegrid.fetch.pin import pin
from safegrid.fetch.preflight import in_units, preflight

ROOT = Path(__file__).parents[3]
ROWS = b"row\n" * 1000
TERMS = {"licence": "CC-BY-NC-4.0", "content": "rows of a test"}


@pytest.fixture
def config(tmp_path, hub, monkeypatch):
    """The configuration with a study of one base, one judge and three sources."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    weights = {"config.json": b"{}", "model.safetensors": b"w" * 5000}
    hub.add("model", "owner/base", files=weights, large=("model.safetensors",))
    hub.add("model", "owner/guard", files=weights, large=("model.safetensors",))
    hub.add("dataset", "owner/rows", files={"rows.jsonl": ROWS})
    add("bases", base={"hub": "owner/base", **TERMS})
    guard = {"kind": "guard", "hub": "owner/guard", "gated": True, **TERMS}
    add("judges", guard=guard)
    alert = {"format": "alert", **TERMS}
    rows = {**alert, "hub": "owner/rows", "files": {"rows": "rows.jsonl"}}
    mine = {**alert, "path": "mine", "files": {"a": "a.jsonl"}}
    hand = {**alert, "files": {"b": "b.jsonl"}}
    add("sources", rows=rows, mine=mine, hand=hand)
    study = {
        "name": "far",
        "title": "From far away.",
        "bases": ["base"],
        "benchmarks": {
            name: {
                "like": "alert",
                "prompts": {"source": name, "file": file},
                "judges": ["guard"],
            }
            for name, file in (("rows", "rows"), ("mine", "a"), ("hand", "b"))
        },
    }
    (tmp_path / "config/studies/far.yaml").write_text(yaml.safe_dump(study))
    return tmp_path / "config"


def add(registry, **entries):
    with Path(f"config/{registry}.yaml").open("a") as stream:
        stream.write("\n" + yaml.safe_dump(entries))


def put_the_users_files():
    for path in ("own/mine/a.jsonl", "results/raw/hand/b.jsonl"):
        Path(path).parent.mkdir(parents=True)
        Path(path).touch()


def test_everything_that_is_missing_is_one_message(config):
    with pytest.raises(SourceError) as caught:
        preflight("far", sources_dir="own")
    message = str(caught.value)
    assert message.startswith("study far: 5 missing; nothing was fetched\n")
    for sentence in (
        "base base: not pinned: safegrid pin --names base",
        "judge guard: not pinned: safegrid pin --names guard",
        "source rows: not pinned: safegrid pin --names rows",
        "source mine: own/mine/a.jsonl is not there",
        "source hand: put results/raw/hand/b.jsonl there by hand",
    ):
        assert sentence in message


def test_sizes_licences_and_gates_are_listed(config, hub, monkeypatch, capsys):
    put_the_users_files()
    hub.opening.add("hf_secretsecret")
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    pin(["base", "guard", "rows"])
    hub.repositories["models", "owner/guard"].gated = True
    hub.asked.clear()
    preflight("far", sources_dir="own")
    told = capsys.readouterr().out
    assert "study far: 5 from upstream, 14.0 kB to fetch" in told
    lines = {line.split()[1]: line for line in told.splitlines()[1:]}
    assert "5.0 kB" in lines["base"]
    assert "hub owner/base, no gate: open" in lines["base"]
    assert "hub owner/guard, gated: your token opens it" in lines["guard"]
    assert "4.0 kB" in lines["rows"]
    assert all("CC-BY-NC-4.0" in line for line in lines.values())
    assert "by hand, no gate: is there" in lines["hand"]
    assert "secret" not in told
    assert all(asked.path.endswith("/auth-check") for asked in hub.asked)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (None, "owner/guard is gated or private, or is not there, and no token"),
        ("hf_known", "owner/guard is gated and your token does not open it"),
        ("hf_old", "does not accept your token: it has expired"),
    ],
)
def test_a_gate_that_stays_closed_is_missing(config, hub, monkeypatch, token, sentence):
    put_the_users_files()
    pin(["base", "guard", "rows"])
    hub.repositories["models", "owner/guard"].gated = True
    hub.known.add("hf_known")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SourceError) as caught:
        preflight("far", sources_dir="own")
    assert sentence in str(caught.value)
    assert token is None or token not in str(caught.value)


def test_a_disk_that_is_too_small_is_missing(config, hub, monkeypatch):
    put_the_users_files()
    pin(["base", "guard", "rows"])
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9000))
    with pytest.raises(SourceError, match=r"14.0 kB are to be fetched, but 9.0 kB"):
        preflight("far", sources_dir="own")


def test_a_folder_that_was_not_named_is_asked_for(config):
    with pytest.raises(ConfigError, match=r"takes mine .* --config sources_dir="):
        preflight("far")


def test_a_study_of_a_world_needs_nothing(config, hub, capsys):
    preflight("tiny")
    assert "nothing comes from upstream" in capsys.readouterr().out
    assert hub.asked == []


def test_sizes_are_said_as_people_say_them():
    assert [in_units(n) for n in (0, 999, 1000, 22_200_000_000)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "22.2 GB",
    ]
