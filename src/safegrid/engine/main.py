"""Entry point of an engine's process, which ends with its manager."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from safegrid.core.errors import SafegridError
from safegrid.core.logs import configure
from safegrid.engine.launch import LaunchSpec

logger = logging.getLogger(__name__)


def run_engine(
    launch_spec: LaunchSpec,
    log: Path,
    teller: Connection,
    environment: Mapping[str, str] | None,
) -> None:
    """Serve one model until the manager or its end ends this process.

    `log` takes all that it writes; by `teller` it says its URL once it answers. The
    environment of the client that asked for it is None in a forked process.
    """
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    configure()
    # From the start, so that a slow load does not outlive its run.
    threading.Thread(target=_end_with_manager, daemon=True).start()
    try:
        if launch_spec.engine.kind == "vllm":
            from safegrid.engine.vllm import serve_vllm

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
