"""Leases on engines: who starts one, shares it, ends it and replaces it."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3

from engines import alive, wait_until
from safegrid import cli
from safegrid.config import Decode
from safegrid.core.errors import EngineError
from safegrid.engine.calls import send
from safegrid.engine.launch import run_folder
from safegrid.engine.lease import engines, lease, stop_all

# Of the stand-in to any row.
ANSWER = [[0.25, 0.75]]


def pids():
    return {one.name.split("-")[1]: one.process.pid for one in engines()}


def check_refusal(reason, *asked):
    """Check that no lease is given, and that the error says why."""
    with pytest.raises(EngineError, match=reason), lease(*asked):
        pass


def is_listening(url):
    try:
        urllib3.request("GET", f"{url}/health", retries=False, timeout=1.0)
    except urllib3.exceptions.HTTPError:
        return False
    return True


def test_vllm_is_started_with_the_flags_that_keep_it_honest(
    stand_in, stack, spec, monkeypatch
):
    # trl sets it where it is imported, as other tests of this process do.
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    with lease(spec, stack("a")) as engine:
        (entry,) = [e for e in stand_in() if e["path"] == "start"]
    start = entry["arguments"]
    assert start[:2] == ["serve", str(stack("a")[0])]
    options = dict(zip(start[2::2], start[3::2], strict=True))
    assert options.pop("--port").isdigit()
    assert options == {
        "--served-model-name": engine.model,
        "--host": "127.0.0.1",
        "--dtype": "float32",
        "--generation-config": "vllm",
        # Two may live at once.
        "--gpu-memory-utilization": "0.45",
    }
    assert engine.key not in " ".join(start)
    assert entry["variables"] == {
        "VLLM_API_KEY": engine.key,
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_MAX_STOP_STRINGS": "64",
    }


def test_vllm_is_given_a_studys_options_which_its_identity_names(stand_in, stack, spec):
    options = {
        "gpu_memory_utilization": 0.3,
        "max_model_len": 32,
        "extra_args": ["--enforce-eager"],
    }
    with lease(spec, stack("a")) as engine:
        plain = engine.model, engine.identity
    with lease(spec.model_copy(update=options), stack("a")) as engine:
        given = " ".join(stand_in()[-1]["arguments"])
        assert engine.max_length == 32
    assert "--gpu-memory-utilization 0.3 --max-model-len 32 --enforce-eager" in given
    assert engine.model != plain[0]
    options = "--max-model-len 32 --enforce-eager"
    assert engine.identity.version == f"{plain[1].version} {options}"
    assert re.match(r"0\.0\.stand-in \w", plain[1].version)
    with lease(spec.model_copy(update={"max_engines": 3}), stack("a")) as engine:
        assert engine.model == plain[0]


def test_vllm_refuses_what_it_cannot_serve(stand_in, stack, spec, monkeypatch):
    check_refusal("is an adapter", spec, stack("a") + stack("b"))
    monkeypatch.setenv("SAFEGRID_VLLM", "no-such-command")
    check_refusal("no-such-command", spec, stack("a"))


def test_stopping_engines_by_command_ends_them_and_their_children(
    stand_in, stack, spec
):
    with lease(spec, stack("a")) as engine:
        folder = run_folder()
    assert cli.run(["stop-engines"]) == 0
    assert not is_listening(engine.url)
    assert not folder.exists()
    stop_all(folder)


def test_a_lease_finds_the_running_engine_of_its_weights_dtype_and_chunk(
    stand_in, stack, spec
):
    with lease(spec, stack("a")) as first:
        before = pids()
    with lease(spec, stack("a")) as second:
        assert pids() == before
        assert (second.url, second.model) == (first.url, first.model)
    names = {first.model}
    for other, name in ((spec, "b"), (spec.model_copy(update={"batch_size": 7}), "a")):
        with lease(other, stack(name)) as engine:
            names.add(engine.model)
    assert len(names) == 3


def test_many_clients_at_once_start_one_engine(stand_in, stack, spec):
    folder = stack("a")

    def url(_):
        with lease(spec, folder) as engine:
            return engine.url

    with ThreadPoolExecutor(5) as clients:
        assert len(set(clients.map(url, range(5)))) == 1
    assert [entry["path"] for entry in stand_in()].count("start") == 1


def test_room_is_made_by_ending_the_engine_idle_longest(stand_in, stack, spec):
    for name in ("a", "b", "a"):
        with lease(spec, stack(name)):
            pass
        time.sleep(0.02)
    with lease(spec, stack("c")):
        assert set(pids()) == {"a", "c"}


def test_an_engine_in_use_is_never_ended_to_make_room(stand_in, stack, spec):
    got = threading.Event()

    def third():
        with lease(spec, stack("c")):
            got.set()

    with ExitStack() as leases:
        a = leases.enter_context(lease(spec, stack("a")))
        leases.enter_context(lease(spec, stack("b")))
        thread = threading.Thread(target=third)
        thread.start()
        assert not got.wait(0.5)
        assert set(pids()) == {"a", "b"}
        assert a.complete([[5]], Decode(max_new_tokens=3), [0])[0].text_ids == [5, 0]
    assert got.wait(10)
    thread.join()


def test_an_idle_engine_ends_and_a_used_one_does_not(stand_in, stack, spec):
    short = spec.model_copy(update={"idle_seconds": 0.4})
    with lease(short, stack("a")):
        process = alive()[0]
        time.sleep(1.0)
        assert process.is_alive()
    wait_until(lambda: not process.is_alive())
    with lease(short, stack("a")) as engine:
        assert engine.values("classify", [[1]]) == ANSWER


def test_an_engine_that_does_not_start_shows_its_log_or_is_ended(
    stand_in, stack, spec, monkeypatch
):
    broken = spec.model_copy(update={"dtype": "bfloat16"})
    for _ in range(2):
        check_refusal("no bfloat16", broken, stack("a"))
    monkeypatch.setenv("STAND_IN_SLOW", "30")
    hasty = spec.model_copy(update={"start_seconds": 0.5})
    check_refusal("start_seconds", hasty, stack("a"))
    assert pids() == {}


def test_an_engine_that_says_it_is_at_fault_shows_why_and_is_replaced(
    stand_in, stack, spec, monkeypatch, tmp_path
):
    monkeypatch.setenv("STAND_IN_SICK", "/health")
    monkeypatch.setenv("STAND_IN_LIVES", "1")
    with (
        pytest.raises(EngineError, match=r"(?s)status 500.*Its log ends") as caught,
        lease(spec, stack("a")) as engine,
    ):
        (process,) = alive()
        assert engine.values("classify", [[1]]) == ANSWER
        engine.values("classify", [[2]])
    (log,) = (tmp_path / "logs/engines").glob(f"{engine.model}.*.log")
    # The cause stands far above the end.
    assert "(first error) RuntimeError: the cause of it all\n[...]" in str(caught.value)
    assert str(caught.value).endswith(f"(all of it: {log})")
    wait_until(lambda: not process.is_alive())
    with lease(spec, stack("a")) as engine:
        assert engine.values("classify", [[1]]) == ANSWER
    stop_all()
    assert "RuntimeError" in log.read_text()
    assert len(list(log.parent.iterdir())) == 2


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_an_engine_that_falls_ill_between_two_leases_is_started_again(
    stand_in, stack, spec, monkeypatch, path
):
    monkeypatch.setenv("STAND_IN_SICK", path)
    monkeypatch.setenv("STAND_IN_LIVES", "0")
    with lease(spec, stack("a")) as engine:
        before = pids()
    body = {"model": engine.model, "input": [[1]]}
    with pytest.raises(EngineError, match="status 500"):
        send("POST", f"{engine.url}/classify", engine.key, body)
    assert pids() == before
    monkeypatch.delenv("STAND_IN_LIVES")
    with lease(spec, stack("a")) as engine:
        assert pids() != before
        assert engine.values("classify", [[1]]) == ANSWER


def test_killing_the_owner_ends_its_engines(stand_in, stack, spec, monkeypatch):
    owned = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setenv("SAFEGRID_OWNER_PID", str(owned.pid))
    with lease(spec, stack("a")) as engine:
        process = alive()[0]
        # Not reaped: a zombie owner must count as gone too.
        owned.kill()
        wait_until(lambda: not process.is_alive())
        with pytest.raises(EngineError, match="does not answer"):
            engine.values("classify", [[1]])
    owned.wait()
    wait_until(lambda: not is_listening(engine.url))


def test_a_job_of_a_cluster_has_a_registry_of_its_own(run, monkeypatch):
    local = run_folder()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert run_folder() != local
    assert "slurm-7@" in run_folder().name


def test_a_lease_ends_with_its_holder(stand_in, stack, spec):
    one = spec.model_copy(update={"max_engines": 1})
    code = (
        "import sys, time; from pathlib import Path;"
        "from safegrid.config import EngineSpec;"
        "from safegrid.engine.lease import lease;"
        "spec = EngineSpec.model_validate_json(sys.argv[1])\n"
        "with lease(spec, [Path(sys.argv[2])]):\n"
        "    print(1, flush=True); time.sleep(60)"
    )
    source = Path(sys.modules["safegrid"].__file__).parents[1]
    holder = subprocess.Popen(
        [sys.executable, "-c", code, one.model_dump_json(), str(stack("a")[0])],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert holder.stdout.readline()
    threading.Timer(0.5, holder.kill).start()
    begun = time.monotonic()
    with lease(one, stack("b")):
        assert time.monotonic() - begun > 0.4
        assert set(pids()) == {"b"}
    holder.wait()
    holder.stdout.close()


def test_the_key_is_in_no_file_and_the_socket_is_private(stand_in, stack, spec):
    with lease(spec, stack("a")) as engine:
        folder = run_folder()
        files = [path for path in folder.iterdir() if path.is_file()]
        assert {path.name for path in files} == {"lock", "manager.log"}
        assert not [path for path in files if engine.key in path.read_text()]
        assert folder.stat().st_mode & 0o077 == 0


def test_an_engine_and_its_manager_end_when_the_folder_is_gone(stand_in, stack, spec):
    with lease(spec, stack("a")) as engine:
        shutil.rmtree(run_folder())
        wait_until(lambda: not is_listening(engine.url))
