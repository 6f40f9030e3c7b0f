"""An offline study ends before its first job, and says all that it lacks at once."""

import pytest

from hub_stand_in import Hub, sha256

CLOSED = "http://127.0.0.1:9"
LABELS = b"id,label\n"
TERMS = {"licence": "MIT", "content": "labelled rows of a test"}


JUDGE = {
    "kind": "refusal",
    "method": "rules",
    "positive": "refusal",
    "classes": ["compliance", "refusal", "partial"],
    "labelled_source": "labels",
    "labelled_file": "labels",
}


@pytest.fixture
def tree(fresh):
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


def test_an_offline_study_names_all_that_it_lacks_before_its_first_job(tree):
    plain = tree.snakemake()
    with tree.with_study(lacking):
        for command in (tree.study_command, plain):
            done = tree.run(*command)
            assert done.returncode == 1
            refused = done.stdout.rpartition("nothing was started\n")[2]
            for name, remedy in (
                ("source labels", "127.0.0.1 cannot be reached"),
                ("config/sources.lock.yaml", "safegrid pin --study tiny"),
                ("SAFEGRID_RUN_CODE", "set SAFEGRID_RUN_CODE=real_humaneval"),
                ("SAFEGRID_JUDGE_URL", "It is not set"),
            ):
                lines = [n for n in refused.splitlines() if f" {name}: " in n]
                assert len(lines) == 1, done.stdout
                assert remedy in lines[0]
            assert tree.made() == []
            assert "Traceback" not in done.stdout


def test_what_is_fetched_comes_first_and_its_failure_ends_the_study(tree):
    with Hub() as hub, tree.with_study(measured):
        tree.environment["HF_ENDPOINT"] = hub.url
        hub.add("dataset", "o/labels", files={"labels.csv": b"x" * len(LABELS)})
        done = tree.run(*tree.study_command)
        assert done.returncode == 1
        assert "study tiny: failed jobs: 1\nfetch_source failed" in done.stdout
        results = tree.folder / "results"
        assert {path.name for path in results.iterdir()} == {"README.md", "raw"}
        assert [path.name for path in (results / "raw").iterdir()] == ["labels"]
