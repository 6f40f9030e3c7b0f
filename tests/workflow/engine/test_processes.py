"""Our own engine as processes: forked, spawned, left alone, abandoned."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest
import urllib3

from engines import alive, wait_until
from safegrid.config import Decode, EngineSpec
from safegrid.core.errors import EngineError
from safegrid.core.seals import write_result
from safegrid.engine.launch import run_folder
from safegrid.engine.lease import engines, lease
from safegrid.runtime.processes import Process

pytestmark = pytest.mark.timeout(240)
SPEC = EngineSpec(batch_size=16, idle_seconds=60)
PROMPTS = [[1, 7, 8 + i, 9] for i in range(20)]
SAMPLED = Decode(max_new_tokens=8, temperature=1.0)


def manager():
    """The process that lends engines: the one whose command names the folder."""
    for process in psutil.process_iter(["cmdline"]):
        if str(run_folder()) in (process.info["cmdline"] or []):
            return Process.of(process.pid)
    return None


def answers(models):
    """What two engines say, started one after another."""
    found = []
    for name, head in (("classifier", "classify"), ("causal", "causal")):
        with lease(SPEC, [models / name], head) as engine:
            if head == "classify":
                found.append(engine.values("classify", PROMPTS))
                continue
            found.append(engine.complete(PROMPTS, SAMPLED, range(20)))
            found.append(engine.label_logprobs(PROMPTS, [[9], [10, 11]]))
            found.append(engine.identity._replace(weights=""))
    return found


def test_forked_engines_answer_as_spawned_ones(run, models, monkeypatch):
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "spawn")
    spawned = answers(models)
    parents = {psutil.Process(process.pid).ppid() for process in alive()}
    assert parents == {manager().pid}
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "fork")
    for process in alive():
        process.end()
    assert answers(models) == spawned
    (fork_server,) = {psutil.Process(p.pid).parent() for p in alive()}
    assert fork_server.ppid() == manager().pid


def test_an_engine_is_on_loopback_and_an_ended_one_leaves_no_zombie(forking, models):
    with lease(SPEC, [models / "causal"]) as engine:
        (process,) = alive()
        sockets = psutil.Process(process.pid).net_connections("inet")
        assert {socket.laddr.ip for socket in sockets} == {"127.0.0.1"}
        process.end()
        wait_until(lambda: not psutil.pid_exists(process.pid))
        with pytest.raises(EngineError):
            engine.complete(PROMPTS, SAMPLED, range(20))
    with lease(SPEC, [models / "causal"]) as engine:
        assert len(engine.complete(PROMPTS, SAMPLED, range(20))) == 20


def test_without_an_owner_an_idle_manager_ends_and_is_started_again(
    run, models, monkeypatch
):
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "fork")
    monkeypatch.setenv("SAFEGRID_OWNER_HOST", "elsewhere")
    short = SPEC.model_copy(update={"idle_seconds": 1.0})
    with lease(short, [models / "causal"]):
        pass
    wait_until(lambda: manager() is None)
    with lease(short, [models / "other"]) as engine:
        assert len(engine.complete(PROMPTS, SAMPLED, range(20))) == 20


def test_a_broken_model_is_an_error_that_shows_why(forking, models, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    write_result(tmp_path / "manifest.json", {"weights": "w"})
    with (
        pytest.raises(EngineError, match=r"(?s)Its log ends:.*(model|Error)"),
        lease(SPEC, [tmp_path]),
    ):
        pass
    with lease(SPEC, [models / "causal"]) as engine:
        assert engine.max_length == 256


def test_killing_the_owner_ends_the_manager_and_an_engine_at_work(
    run, models, monkeypatch
):
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setenv("SAFEGRID_OWNER_PID", str(owner.pid))
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "fork")
    with lease(SPEC, [models / "causal"]) as engine:
        left = [*alive(), manager()]
        left.append(Process.of(psutil.Process(left[0].pid).ppid()))
        asking = threading.Thread(target=send, args=(engine, 600))
        asking.start()
        wait_until(lambda: at_work(left[0]))
        owner.kill()
        wait_until(lambda: not any(process.is_alive() for process in left))
    owner.wait()
    asking.join()


def test_a_request_whose_client_has_gone_does_not_hold_up_the_next(forking, models):
    with lease(SPEC, [models / "causal"]) as engine:
        send(engine, patience=1.5)
        # Requests are worked on one after another, and whole this one takes long.
        assert len(engine.complete(PROMPTS, SAMPLED, range(20))) == 20
        assert "dropped half way" in engines()[0].log.read_text()


def send(engine, patience):
    """Send a long request and close the connection when patience ends."""
    body = {
        "model": engine.model,
        "prompt": [[1, 5 + i % 100] for i in range(1000)],
        "max_tokens": 250,
        "temperature": 1,
        "seeds": list(range(1000)),
    }
    headers = {"Authorization": f"Bearer {engine.key}"}
    url = f"{engine.url}/v1/completions"
    with suppress(urllib3.exceptions.HTTPError):
        urllib3.request(
            "POST", url, json=body, headers=headers, timeout=patience, retries=False
        )


def at_work(process):
    before = sum(psutil.Process(process.pid).cpu_times()[:2])
    time.sleep(0.3)
    return sum(psutil.Process(process.pid).cpu_times()[:2]) > before + 0.02


def test_by_hand_nothing_is_left_when_the_command_ends(models, tmp_path):
    code = (
        "import sys; from pathlib import Path; from safegrid.config import EngineSpec;"
        "from safegrid.engine.launch import run_folder;"
        "from safegrid.engine.lease import engines, lease\n"
        "with lease(EngineSpec(), [Path(sys.argv[1])]):\n"
        "    print(engines()[0].process.pid, run_folder())"
    )
    unset = ("SAFEGRID_RUN", "SAFEGRID_OWNER_PID", "SLURM_JOB_ID")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    source = sys.modules["safegrid"].__path__[0] + "/.."
    done = subprocess.run(
        [sys.executable, "-c", code, str(models / "causal")],
        env=env | {"PYTHONPATH": source, "SAFEGRID_RUN_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    pid, folder = done.stdout.split()
    wait_until(lambda: not Process.of(int(pid)).is_alive())
    assert not os.path.exists(folder)


def test_an_adapter_is_served_merged_into_what_it_was_trained_on(
    forking, models, tmp_path
):
    import torch
    from peft import LoraConfig, get_peft_model

    from safegrid.models.checkpoints import load_model

    torch.manual_seed(0)
    adapted = get_peft_model(
        load_model([models / "causal"]),
        LoraConfig(r=4, init_lora_weights=False, target_modules="all-linear"),
    )
    adapted.save_pretrained(tmp_path)
    stack = [models / "causal", tmp_path]
    merged = load_model(stack)
    with torch.inference_mode():
        logits = merged(torch.tensor(PROMPTS)).logits[:, -1].log_softmax(-1)
    with lease(SPEC, stack[:1]) as plain:
        without = plain.label_logprobs(PROMPTS, [[9]])
    with lease(SPEC, stack) as engine:
        found = engine.label_logprobs(PROMPTS, [[9]])
    expected = [[value] for value in logits[:, 9].tolist()]
    for row, other, value in zip(found, without, expected, strict=True):
        assert row == pytest.approx(value, abs=1e-3)
        assert row != pytest.approx(other, abs=1e-3)
