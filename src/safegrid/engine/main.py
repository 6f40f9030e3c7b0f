"""Entry point of an engine's process, which ends with its manager: ours, or vLLM.

vLLM lives in an environment of its own, since it cannot share ours; the variable
SAFEGRID_VLLM names its command. Our process starts it and ends it.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from safegrid.config.engine import VLLM
from safegrid.core.errors import EngineError, SafegridError
from safegrid.core.logs import configure
from safegrid.engine.calls import is_healthy
from safegrid.engine.identity import vllm_options
from safegrid.engine.launch import LaunchSpec

logger = logging.getLogger(__name__)

POLL = 0.2
# Together less than `Process.end` waits before it kills.
GRACE, KILLED = 6.0, 3.0


def run_engine(launch_spec: LaunchSpec, log: Path, teller: Connection) -> None:
    """Serve one model until the manager or its end ends this process.

    `log` takes all that it writes; by `teller` it says its URL once it answers.
    """
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    if launch_spec.environment is not None:
        os.environ.clear()
        os.environ.update(launch_spec.environment)
    configure()
    # From the start, so that a slow load does not outlive its run.
    threading.Thread(target=_end_with_manager, daemon=True).start()
    try:
        if launch_spec.engine.kind == "vllm":
            serve_vllm(launch_spec, teller.send)
        else:
            from safegrid.engine.server import serve

            serve(launch_spec, teller.send)
    except SafegridError as error:
        logger.error("%s", error)


def _end_with_manager() -> None:
    """Wait for the end of the manager, then ask this process to end too."""
    manager = multiprocessing.parent_process()
    assert manager is not None, "engines are started by a manager"
    manager.join()
    logger.info("ends: the manager of its run's engines is gone")
    os.kill(os.getpid(), signal.SIGTERM)


def vllm_command(launch_spec: LaunchSpec, port: int) -> list[str]:
    """Return the command line that serves a launch spec.

    Without `--generation-config vllm` the model's own file overrides how tokens are
    drawn; with `--dtype auto` float32 weights become float16.

    Raises:
        EngineError: the command is not installed, or the model has adapters.
    """
    spec, name = launch_spec.engine, os.environ.get(VLLM, "vllm")
    command = shutil.which(name)
    if command is None:
        raise EngineError(
            f"no command {name!r}; set {VLLM} to the vllm of its own environment, or"
            " give the address of a running server"
        )
    if len(launch_spec.stack) > 1:
        raise EngineError(
            f"vLLM serves full models only, and {launch_spec.stack[-1]} is an adapter:"
            " use engine kind safegrid, or save the merged model with `safegrid merge`"
        )
    options = {
        "--served-model-name": launch_spec.model,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--dtype": spec.dtype,
        "--generation-config": "vllm",
        "--gpu-memory-utilization": f"{spec.memory_share:.4g}",
    }
    words = [word for option in options.items() for word in option]
    return [command, "serve", launch_spec.stack[0], *words, *vllm_options(spec)]


def serve_vllm(launch_spec: LaunchSpec, tell: Callable[[str], None]) -> None:
    """Run vLLM until nobody needs it or it ends by itself.

    Raises:
        EngineError: it ended by itself.
    """
    url = f"http://127.0.0.1:{(port := _free_port())}"
    # Said by a signal's handler, so no lock may be needed for it.
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    server = subprocess.Popen(
        vllm_command(launch_spec, port),
        stdin=subprocess.DEVNULL,
        env={
            **os.environ,
            # Not among the options, because other users can read command lines.
            "VLLM_API_KEY": launch_spec.key,
            # Else it tells its makers of each start.
            "VLLM_NO_USAGE_STATS": "1",
            # HumanEval ends an answer at one of five; vLLM takes four.
            "VLLM_MAX_STOP_STRINGS": "64",
        },
    )
    # vLLM has children; they are all in the group that this process leads.
    told = False
    while server.poll() is None and not ends:
        if not told and is_healthy(url):
            told = True
            tell(url)
            logger.info("%s answers (vLLM)", launch_spec.model)
        time.sleep(POLL)
    if ends:
        _end_group(server)
    raise EngineError(f"vLLM ended with status {server.wait()}")


def _end_group(server: "subprocess.Popen[bytes]") -> None:
    """Ask vLLM to end, so that it gives back what its processes share, then kill.

    Whoever waits for this process finds their memory and their port free.
    """
    parts = psutil.Process().children(recursive=True)
    server.terminate()
    _, alive = psutil.wait_procs(parts, timeout=GRACE)
    if alive:
        logger.warning("%d processes of vLLM are killed after %g s", len(alive), GRACE)
    for part in alive:
        with suppress(psutil.NoSuchProcess):
            part.kill()
    psutil.wait_procs(alive, timeout=KILLED)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _free_port() -> int:
    """Return a port that is free now; whoever takes it first has another model name."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
