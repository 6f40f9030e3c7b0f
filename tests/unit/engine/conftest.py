"""A server of vLLM's API that was started by hand, as a user does: the stand-in."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from safegrid.core.seals import write_result
from safegrid.engine.calls import send

SCRIPT = Path(__file__).with_name("stand_in_vllm.py")
FLAGS = ["--dtype", "float32", "--generation-config", "vllm"]
KEY = "secret-of-a-server"


@dataclass(frozen=True)
class Server:
    """Where it answers, what it serves, its key, and the log of what it was asked."""

    url: str
    folder: Path
    key: str
    log: Path


@contextmanager
def served(folder):
    """Serve the folder of a model, as far as a client looks at it."""
    folder.mkdir(parents=True)
    write_result(folder / "manifest.json", {"weights": "a"})
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder.with_suffix(".jsonl")
    words = [sys.executable, str(SCRIPT), "serve", str(folder), "--port", str(port)]
    environment = {**os.environ, "STAND_IN_LOG": str(log), "VLLM_API_KEY": KEY}
    with subprocess.Popen([*words, *FLAGS], env=environment) as child:
        url = f"http://127.0.0.1:{port}"
        try:
            send("GET", f"{url}/health", None)
            yield Server(url, folder, KEY, log)
        finally:
            child.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests of a module."""
    with served(tmp_path_factory.mktemp("served") / "results/bases/mine") as server:
        yield server


@pytest.fixture
def serve(tmp_path):
    """Return a starter of servers, each of a folder below the test's own."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(served(tmp_path / name))
