"""The harness as a client of an engine, on a stand-in that knows some answers."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from safegrid.capability import run
from safegrid.capability.client import context_of
from safegrid.capability.programs import find_sandbox
from safegrid.config import EngineSpec
from safegrid.core.artifacts import read_result
from safegrid.core.consent import RUN_CODE
from safegrid.core.errors import ConfigError, EngineError
from safegrid.engine.client import Engine
from safegrid.engine.identity import Identity

KEY = "a-key-of-the-run"


@pytest.fixture
def run_suite(stand_in, task_files, base_folder, tmp_path, monkeypatch):
    identity = Identity("address", "stand-in 1", "float32", "base-w")

    @contextlib.contextmanager
    def lease(spec: EngineSpec, stack: list[Path], head: str):
        engine = Engine(stand_in.url, KEY, "m", stand_in.context, identity, ours=False)
        yield engine

    monkeypatch.setattr(run, "lease", lease)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)

    def _run(*tasks: str, limit: int | None = None) -> Any:
        out = tmp_path / "suite.json"
        run.capability(
            suite="suite",
            tasks=list(tasks),
            blocks={},
            task_files=task_files,
            limit=limit,
            stack=[base_folder],
            engine=EngineSpec(batch_size=3),
            out=out,
        )
        return read_result(out)

    return _run


def values(found: Any, task: str) -> list[float | None]:
    return [item["value"] for item in found["items"][task]]


def test_a_suite_gets_its_items_from_one_run(run_suite):
    found = run_suite("colours", "names")
    assert values(found, "colours") == [1.0, 1.0, 0.0, 0.0]
    assert values(found, "names") == [1.0, 1.0, 0.0, 0.0]
    colours, names = found["tasks"]["colours"], found["tasks"]["names"]
    assert (colours["metric"], colours["values"]) == ("acc", {"acc": 0.5})
    assert (names["metric"], names["values"]) == ("exact_match", {"exact_match": 0.5})
    assert (colours["version"], colours["n"], colours["n_shot"]) == ("3", 4, 0)
    assert found["templated"] is True
    manifest = found["manifest"]
    assert manifest["rows"] == 8
    assert manifest["engine"]["version"] == "stand-in 1"
    assert "lm_eval" in manifest["libraries"]
    assert "sandbox" not in manifest


def test_without_consent_a_suite_with_code_asks_the_engine_nothing(
    run_suite, stand_in, task_files, monkeypatch
):
    names = next(path for path in task_files if path.name == "names.yaml")
    names.write_text(names.read_text() + "unsafe_code: true\n")
    monkeypatch.delenv(RUN_CODE, raising=False)
    with pytest.raises(ConfigError, match=f"scoring names .* set {RUN_CODE}=names"):
        run_suite("colours", "names")
    assert stand_in.asked == []
    monkeypatch.setenv(RUN_CODE, "names")
    found = run_suite("colours", "names")
    assert values(found, "names") == [1.0, 1.0, 0.0, 0.0]
    assert found["manifest"]["sandbox"] == find_sandbox()[0].name


def test_requests_carry_key_settings_and_one_bos(run_suite, stand_in):
    run_suite("colours", "names")
    bos, second = stand_in.tokenizer.bos_id, []
    for body, authorization in stand_in.asked:
        assert authorization == f"Bearer {KEY}"
        assert (body["temperature"], body["top_p"], body["model"]) == (0, 1.0, "m")
        assert len(body["prompt"]) <= 3
        assert all(ids[0] == bos for ids in body["prompt"])
        second += [ids[1] for ids in body["prompt"]]
    assert bos not in second
    (stops,) = {tuple(b["stop"]) for b, _ in stand_in.asked if not b.get("echo")}
    assert stops == ("\n", "</s>")


def test_a_limit_takes_the_first_documents(run_suite):
    assert values(run_suite("names", limit=1), "names") == [1.0]


def test_what_the_model_cannot_hold_is_not_sent_and_has_no_value(run_suite, stand_in):
    run_suite("names")
    longest = max(len(ids) for body, _ in stand_in.asked for ids in body["prompt"])
    stand_in.asked.clear()
    # Just too little for the longest question and its answer's eight tokens.
    stand_in.context = longest + 8
    found = run_suite("names")
    unscored = values(found, "names").count(None)
    assert 0 < unscored < 4
    assert found["tasks"]["names"]["n_too_long"] == unscored
    sent = [ids for body, _ in stand_in.asked for ids in body["prompt"]]
    assert len(sent) == 4 - unscored


def test_choices_that_do_not_fit_leave_their_item_without_value(run_suite, stand_in):
    run_suite("colours")
    longest = max(len(ids) for body, _ in stand_in.asked for ids in body["prompt"])
    stand_in.context = longest
    found = run_suite("colours")
    assert 0 < found["tasks"]["colours"]["n_too_long"] < 4


def test_an_engine_that_refuses_is_an_error_with_what_it_says(run_suite, stand_in):
    stand_in.status = 400
    with pytest.raises(EngineError, match="refuses"):
        run_suite("names")


def test_the_context_is_the_engines_or_the_configs(tmp_path):
    silent = SimpleNamespace(url="http://engine", max_length=None)
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    assert context_of(silent, tmp_path) == 64
    assert context_of(SimpleNamespace(max_length=32), tmp_path) == 32
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="how many tokens"):
        context_of(silent, tmp_path)


@pytest.mark.slow
def test_the_harness_runs_without_torch_and_transformers():
    code = (
        "import sys, safegrid.capability.run\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
