"""What is told before anything is fetched: a list, or all that is missing at once."""

import shutil
from pathlib import Path

import pytest
import yaml

import made_up_gguf
from safegrid.config.registries import load_registries
from safegrid.core.errors import ConfigError, SourceError
from safegrid.fetch.pin import pin
from safegrid.fetch.preflight import preflight

ROOT = Path(__file__).parents[3]
ROWS = b"row\n" * 1000
FILES = {"rows": "rows", "mine": "a", "hand": "b", "web": "c"}
TERMS = {"licence": "CC-BY-NC-4.0", "content": "rows of a test"}


@pytest.fixture
def config(tmp_path, hub, monkeypatch):
    """The configuration with a study of one base, one judge and four sources."""
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
    hub.plain["c.jsonl"] = b"row"
    web = {**alert, "url": f"{hub.url}/plain", "files": {"c": "c.jsonl"}}
    add("sources", rows=rows, mine=mine, hand=hand, web=web)
    common = {"like": "alert", "judges": ["guard"]}
    study = {
        "name": "far",
        "title": "From far away.",
        "bases": ["base"],
        "benchmarks": {
            name: {**common, "prompts": {"source": name, "file": file}}
            for name, file in FILES.items()
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


def test_everything_that_is_missing_is_one_message(config, hub):
    hub.repositories["models", "owner/guard"].gated = True
    with pytest.raises(SourceError) as caught:
        preflight("far", sources_dir="own")
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("study far: 4 of 8 prerequisites are missing; nothing was")
    assert len(lines) == 4
    for name, sentence in (
        ("judge guard", "owner/guard is gated or private, or is not there"),
        ("source mine", "own/mine/a.jsonl is not there"),
        ("source hand", "Put results/raw/hand/b.jsonl there by hand"),
        ("config/sources.lock.yaml", "Where there is a network: safegrid pin --study"),
    ):
        (line,) = [line for line in lines if f" {name}: " in line]
        assert sentence in line


def test_what_a_study_takes_is_pinned_and_nothing_else(config, hub):
    before = load_registries(config).lock
    hub.repositories["datasets", "owner/rows"].commit = "d" * 40
    pin(["rows"])
    hub.asked.clear()
    hub.repositories["datasets", "owner/rows"].commit = "e" * 40
    pin(study="far")
    found = load_registries(config).lock
    assert set(found.bases) == {*before.bases, "base"}
    assert set(found.judges) == {*before.judges, "guard"}
    assert found.sources["rows"].revision == "d" * 40
    assert found.sources["web"].files["c.jsonl"].bytes == 3
    assert not any("owner/rows" in asked.path for asked in hub.asked)
    hub.asked.clear()
    pin(study="far")
    assert hub.asked == []
    with pytest.raises(ConfigError, match="--names and --study: give one of them"):
        pin(["rows"], study="far")


def test_sizes_licences_and_gates_are_listed(config, hub, monkeypatch, capsys):
    put_the_users_files()
    hub.opening.add("hf_secretsecret")
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    pin(study="far")
    hub.repositories["models", "owner/guard"].gated = True
    hub.asked.clear()
    preflight("far", sources_dir="own")
    told = capsys.readouterr().out
    head, *lines = told.splitlines()
    assert head == "study far needs from outside:"
    known = {" ".join(line.split()[2:4]).rstrip(":"): line for line in lines}
    assert "5.0 kB, CC-BY-NC-4.0, hub owner/base, to be" in known["base base"]
    assert "gated, to be fetched, and open to you" in known["judge guard"]
    assert "4.0 kB" in known["source rows"]
    assert "3 bytes, CC-BY-NC-4.0, 127.0.0.1" in known["source web"]
    assert known["source hand"].startswith("  met ")
    assert "14.0 kB to be fetched" in told
    assert "secret" not in told
    asked = {(asked.method, asked.path.rpartition("/")[2]) for asked in hub.asked}
    assert asked == {("GET", "auth-check"), ("HEAD", "c.jsonl")}


def test_an_address_that_has_no_such_file_or_cannot_be_reached_is_missing(config, hub):
    put_the_users_files()
    pin(study="far")
    del hub.plain["c.jsonl"]
    with pytest.raises(SourceError, match=r"source web: .* has no c.jsonl \(HTTP"):
        preflight("far", sources_dir="own")
    registry = Path("config/sources.yaml")
    registry.write_text(registry.read_text().replace(hub.url, "http://127.0.0.1:9"))
    with pytest.raises(SourceError, match=r"source web: .* cannot be reached"):
        preflight("far", sources_dir="own")


def test_a_run_is_told_of_what_its_own_jobs_need(config, hub, capsys):
    planned = config.parent / "planned"
    planned.write_text("results/raw/rows/rows.jsonl\nresults/far/prompts/rows.parquet")
    pin(["rows"])
    preflight("far", planned=planned)
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines() if " source " in line] == [
        *("met", "met", "open", "met")
    ]
    hub.repositories.clear()
    with pytest.raises(SourceError, match=r"1 of 7 .*\n  missing network  source rows"):
        preflight("far", planned=planned)


NEEDS_CODE = b'{"model_type": "it", "auto_map": {"AutoConfig": "it.ItConfig"}}'


def gguf(kept=None):
    """A file of an architecture that nobody knows, or of so many bytes of it."""
    path = Path("made.gguf")
    out = made_up_gguf.writer(path, "odd")
    made_up_gguf.add_tokenizer(out)
    made_up_gguf.add_weight(out)
    made_up_gguf.close(out)
    return path.read_bytes()[:kept]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", lambda: NEEDS_CODE, "needs Python code of its own"),
        ("it.gguf", gguf, "transformers cannot read a GGUF file of its"),
        ("it.gguf", lambda: gguf(40), "no whole GGUF file"),
    ],
)
def test_a_folder_that_no_model_comes_of_is_missing(
    config, hub, file, content, sentence
):
    put_the_users_files()
    pin(["guard", "rows", "web"])
    add("bases", own={"path": "model", **({"gguf": file} if "gguf" in file else {})})
    study = Path("config/studies/far.yaml")
    study.write_text(study.read_text().replace("- base", "- own"))
    path = Path("own/model", file)
    path.parent.mkdir()
    path.write_bytes(content())
    with pytest.raises(SourceError, match=f"base own: .*{sentence}"):
        preflight("far", sources_dir="own")


def test_a_disk_that_is_too_small_is_missing(config, hub, monkeypatch):
    put_the_users_files()
    pin(study="far")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9000))
    with pytest.raises(SourceError, match=r"14.0 kB to be fetched, 9.0 kB free. Free"):
        preflight("far", sources_dir="own")


def test_a_study_of_a_world_needs_nothing(config, hub, capsys):
    preflight("tiny")
    assert "needs nothing from outside" in capsys.readouterr().out
    assert hub.asked == []
