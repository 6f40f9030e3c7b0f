"""All that a study needs from outside, one list, before anything is started."""

from dataclasses import replace

import pytest
import yaml

from safegrid.study.prerequisites import listed, prerequisites, refusal, unmet
from safegrid.study.prerequisites.prerequisite import in_units
from safegrid.study.upstreams import Upstreams

TERMS = {"licence": "MIT", "content": "rows"}
LABELS = {"labelled_file": "labels"}
RULES = {"kind": "refusal", "method": "rules", "positive": "refusal"}
URL = "https://host.example/rows"
ASKED = "SAFEGRID_JUDGE_URL"
COURSE = {
    "like": "c2_eval",
    "prompts": {"source": "c2-eval", "file": "test"},
    "judges": ["gpt-4o-correction"],
}


def everything(_):
    return True


@pytest.fixture
def add(tmp_path):
    """Return a writer of entries of a registry in the test's configuration."""

    def write(registry, **entries):
        with (tmp_path / f"config/{registry}.yaml").open("a") as stream:
            stream.write("\n" + yaml.safe_dump(entries))

    return write


@pytest.fixture
def found(load_tiny):
    """Return a caller that gives the prerequisites of a changed study, by name."""

    def ask(*changes, there=lambda _: False, sources_dir=None, **environment):
        study = replace(load_tiny(*changes), sources_dir=sources_dir)
        listed = prerequisites(Upstreams(study), environment, there)
        return {one.name: one for one in listed}

    return ask


@pytest.fixture
def measured(load_tiny, add):
    """Return a study's change: a judge of rules is measured on rows of a source."""

    def change(**source):
        files = {"labels": "some/labels.csv"}
        source = {"format": "xstest_completions", "files": files, **TERMS, **source}
        add("sources", labels=source)
        labelled = {"labelled_source": "labels", **LABELS}
        classes = ["compliance", "refusal", "partial"]
        add("judges", mine={**RULES, "classes": classes, **labelled})
        return lambda study: study["benchmarks"]["xstest"].update(judges=["mine"])

    return change


def benchmark(name, **block):
    return lambda study: study["benchmarks"].update({name: block})


def test_a_study_of_a_world_needs_nothing(found):
    assert found() == {}


def test_labelled_rows_of_the_network_are_told_with_the_key_that_asks(found, measured):
    change = measured(url=URL)
    needed = found(change)
    rows = needed["source labels"]
    assert (rows.kind, rows.state) == ("network", "open")
    assert rows.asked_by == ("judges.mine.labelled_source",)
    assert "MIT, host.example, to be fetched" in rows.says
    lock = needed["config/sources.lock.yaml"]
    assert (lock.kind, lock.state) == ("files", "missing")
    assert lock.remedy.endswith("safegrid pin --study tiny")
    there = found(change, there=everything)
    assert {name: one.state for name, one in there.items()} == {"source labels": "met"}


@pytest.mark.parametrize(
    ("environment", "state"),
    [({}, "missing"), ({"HF_TOKEN": "hf_x"}, "met"), ({"HF_ENDPOINT": "x"}, "open")],
)
def test_gated_files_need_a_token(found, measured, monkeypatch, environment, state):
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere/token")
    token = found(measured(hub="o/rows", gated=True), **environment)["HF_TOKEN"]
    assert (token.kind, token.state) == ("variable", state)
    assert "labels" in token.says
    assert "hf_x" not in str(token)


def test_files_of_a_folder_that_are_not_there_are_all_told(found, measured, tmp_path):
    change = measured(path="rows")
    asked = found(change)["source labels"]
    assert (asked.kind, asked.state) == ("files", "missing")
    assert "--config sources_dir=FOLDER" in asked.remedy
    own = str(tmp_path / "own")
    file = tmp_path / "own/rows/some/labels.csv"
    lost = found(change, sources_dir=own)["source labels"]
    assert f"{file} is not there" in lost.remedy
    file.parent.mkdir(parents=True)
    file.touch()
    assert found(change, sources_dir=own)["source labels"].state == "met"


def test_a_whole_mirror_stands_in_for_the_network(found, measured, tmp_path):
    change = measured(url=URL, mirror="copies")
    pins = {"some/labels.csv": {"sha256": "a" * 64, "bytes": 1500}}
    lock = {"sources": {"labels": {"upstream": f"url {URL}", "files": pins}}}
    (tmp_path / "config/sources.lock.yaml").write_text(yaml.safe_dump(lock))
    own = str(tmp_path / "own")
    fetched = found(change, sources_dir=own)["source labels"]
    assert (fetched.kind, fetched.says[:6]) == ("network", "1.5 kB")
    copy = tmp_path / "own/copies/some/labels.csv"
    copy.parent.mkdir(parents=True)
    copy.touch()
    mirrored = found(change, sources_dir=own)["source labels"]
    assert (mirrored.kind, mirrored.state) == ("files", "met")


def test_labels_put_by_hand_are_told_with_their_place(found, measured):
    rows = found(measured())["source labels"]
    assert (rows.kind, rows.state) == ("files", "missing")
    assert "results/raw/labels/some/labels.csv" in rows.remedy


def test_tasks_that_run_code_need_a_consent_as_long_as_they_are_to_run(found):
    change = benchmark("capability", like="capability", tasks=["real_humaneval"])
    refused = found(change)["SAFEGRID_RUN_CODE"]
    assert (refused.kind, refused.state) == ("consent", "missing")
    assert "set SAFEGRID_RUN_CODE=real_humaneval" in refused.remedy
    assert refused.asked_by == ("benchmarks.capability.tasks",)
    given = found(change, SAFEGRID_RUN_CODE="other, real_humaneval")
    assert given["SAFEGRID_RUN_CODE"].state == "met"
    assert found(change, there=everything)["SAFEGRID_RUN_CODE"].state == "done"


@pytest.mark.parametrize(("task", "asked"), [("mbpp", True), ("gsm8k", False)])
def test_shipped_tasks_that_run_code_need_it_too(found, task, asked):
    change = benchmark("capability", like="capability", tasks=[task])
    assert ("SAFEGRID_RUN_CODE" in found(change)) is asked


def test_code_of_others_needs_a_consent_that_names_it(found):
    def searched(study):
        made = {"recipe": "none", "decode": {"max_new_tokens": 8}, "beams": {}}
        made["requests"] = {"source": "tiny-pku"}
        study["datasets"]["c2"] = {"corrections": made, "max_length": 160}
        study["recipes"]["c2_dpo"] = {"method": "dpo", "dataset": "c2"}

    refused = found(searched)["SAFEGRID_REMOTE_CODE"]
    assert (refused.kind, refused.state) == ("consent", "missing")
    assert "set SAFEGRID_REMOTE_CODE=diverse-beams" in refused.remedy
    assert refused.asked_by == ("datasets.c2.corrections.beams",)
    given = found(searched, SAFEGRID_REMOTE_CODE="diverse-beams")
    assert given["SAFEGRID_REMOTE_CODE"].state == "met"
    # Fetched, but answers are still to be searched for.
    raw = found(searched, there=lambda file: file.startswith("results/raw/"))
    assert raw["SAFEGRID_REMOTE_CODE"].state == "missing"


def test_an_endpoint_that_judges_needs_an_address_and_may_need_a_key(found):
    judged = benchmark("c2", **COURSE)
    needed = found(judged)
    assert (needed[ASKED].kind, needed[ASKED].state) == ("variable", "missing")
    assert needed[ASKED].asked_by == ("judges.gpt-4o-correction.endpoint",)
    assert needed["SAFEGRID_JUDGE_KEY"].state == "open"
    secret = {ASKED: "https://me:secret@host/v1", "SAFEGRID_JUDGE_KEY": "a\nb"}
    wrong = found(judged, **secret)
    assert "no user, password" in wrong[ASKED].remedy
    assert wrong["SAFEGRID_JUDGE_KEY"].state == "missing"
    assert "secret" not in listed(wrong.values())
    right = found(judged, **{ASKED: "http://host/v1/", "SAFEGRID_JUDGE_KEY": "k"})
    assert {right[ASKED].state, right["SAFEGRID_JUDGE_KEY"].state} == {"met"}
    assert found(judged, there=everything)[ASKED].state == "done"


def test_programs_and_servers_of_engines_are_told(found, tmp_path):
    told = found(lambda study: study.update(engine={"kind": "vllm"}), PATH="")
    vllm = told["SAFEGRID_VLLM"]
    assert (vllm.kind, vllm.state) == ("program", "open")
    url = "http://127.0.0.1:8000"
    served = {"tiny-base": {"kind": "address", "address": url}}
    server = found(lambda study: study.update(engines=served))[url]
    assert (server.kind, server.asked_by) == ("server", ("engines.tiny-base",))


def test_rows_of_shipped_tasks_are_told(found):
    plain = {"like": "capability", "tasks": ["arc_easy"], "task_source": None}
    rows = found(benchmark("capability", **plain))["rows of arc_easy"]
    assert (rows.kind, rows.state) == ("files", "open")


def test_all_that_is_missing_is_one_message_a_line_each(found, measured):
    needed = found(
        measured(),
        benchmark("capability", like="capability", tasks=["real_humaneval"]),
        benchmark("c2", **COURSE),
    ).values()
    head, *lines = str(refusal("tiny", [*needed])).splitlines()
    states = [one.state for one in needed]
    assert f"{states.count('missing')} of {len(states)} prerequisites are" in head
    assert all(line.startswith("  missing ") for line in lines)
    said = "\n".join(lines)
    for name in ("source labels", "SAFEGRID_RUN_CODE", ASKED):
        assert said.count(f" {name}: ") == 1
    told = str(unmet("tiny", needed)).splitlines()
    assert len(told) == 1 + states.count("missing") + states.count("open")


def test_sizes_are_said_as_people_say_them():
    said = [in_units(n) for n in (0, 999, 1000, 22_200_000_000)]
    assert said == ["0 bytes", "999 bytes", "1.0 kB", "22.2 GB"]
