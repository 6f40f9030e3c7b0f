"""vLLM in the place of our engine: started with the flags that keep it honest.

It lives in an environment of its own, since it cannot share ours; the variable
SAFEGRID_VLLM names its command. This process starts it, waits until it answers and
ends it as `watch` says.
"""

import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import urllib3

from safegrid.config.engine import VLLM
from safegrid.engine.registry import Slot, Ticket
from safegrid.engine.watch import Watch
from safegrid.errors import EngineError

logger = logging.getLogger(__name__)

POLL = 0.5


def vllm_command(ticket: Ticket, port: int) -> list[str]:
    """Return the command line that serves a ticket.

    Without `--generation-config vllm` the model's own file overrides how tokens are
    drawn; with `--dtype auto` float32 weights become float16.

    Raises:
        EngineError: the command is not installed, or the model has adapters.
    """
    name = os.environ.get(VLLM, "vllm")
    command = shutil.which(name)
    if command is None:
        raise EngineError(
            f"no command {name!r}; set {VLLM} to the vllm of its own environment, or"
            " give the address of a running server"
        )
    if len(ticket.chain) > 1:
        raise EngineError(
            f"vLLM serves full models only, and {ticket.chain[-1]} is an adapter: use"
            " engine kind safegrid, or merge the adapter and save the model"
        )
    options = {
        "--served-model-name": ticket.model,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--dtype": ticket.dtype,
        "--generation-config": "vllm",
    }
    return [command, "serve", ticket.chain[0], *(w for o in options.items() for w in o)]


def serve_vllm(ticket: Path) -> None:
    """Run vLLM until nobody needs it or it ends by itself.

    Raises:
        EngineError: it ended by itself.
    """
    asked, slot = Ticket.read(ticket), Slot(ticket.with_suffix(""))
    port = _free_port()
    server = subprocess.Popen(
        vllm_command(asked, port),
        stdin=subprocess.DEVNULL,
        # In the environment, because other users can read command lines.
        env={**os.environ, "VLLM_API_KEY": asked.key},
    )
    # vLLM has children; they are all in the group that this process leads.
    Watch(ticket, busy=lambda: False, end=_end_group).start()
    url = f"http://127.0.0.1:{port}"
    while server.poll() is None and not _is_healthy(url):
        time.sleep(POLL)
    if server.poll() is None:
        slot.write_url(url)
        logger.info("%s answers (vLLM)", asked.model)
    status = server.wait()
    raise EngineError(f"vLLM ended with status {status}")


def _end_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _is_healthy(url: str) -> bool:
    try:
        answer = urllib3.request("GET", f"{url}/health", retries=False, timeout=5.0)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def _free_port() -> int:
    """Return a port that is free now; whoever takes it first has another model name."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
