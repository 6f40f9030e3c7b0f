"""Our own engine: FastAPI over transformers, for CPUs and small models."""

import logging
import os
import socket
from collections.abc import Callable
from types import FrameType

import torch
import uvicorn

from safegrid.engine.app import HeadFirst, RequestQueue, make_app
from safegrid.engine.beams import check_search
from safegrid.engine.launch import LaunchSpec
from safegrid.engine.model import load

logger = logging.getLogger(__name__)

MOST_WORKERS = 4
"""Requests at once, at most: each holds a chunk of its own in memory."""
CHANGING = ("dynamic", "longrope")
"""Kinds of rotary embeddings that a forward changes."""


def serve(launch_spec: LaunchSpec, tell: Callable[[str], None]) -> None:
    """Load a model and answer requests on this machine until this process is ended.

    Args:
        launch_spec: what to serve.
        tell: is called with the URL once it answers.
    """
    model = load(launch_spec)
    if model.search is not None:
        check_search(model)
    queue = RequestQueue(workers(launch_spec, model.network))
    app = make_app(model, launch_spec, queue)
    # A socket of our own: the port is taken before anyone is told of it.
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    tell(f"http://127.0.0.1:{listener.getsockname()[1]}")
    logger.info("%s answers", launch_spec.model)
    config = uvicorn.Config(
        app, http=HeadFirst, ws="none", log_level="warning", lifespan="off"
    )
    _Server(config).run(sockets=[listener])


def workers(launch_spec: LaunchSpec, network: torch.nn.Module) -> int:
    """Return how many requests are worked on at once: one a share of the cores.

    Several jobs may ask one engine, such as the base that reads all models' answers. A
    model that changes its rotary table to the length of what it reads takes one.
    """
    kinds = {str(getattr(part, "rope_type", "")) for part in network.modules()}
    changing = any(name in kind for kind in kinds for name in CHANGING)
    if changing or torch.cuda.is_available():
        return 1
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // launch_spec.threads))


class _Server(uvicorn.Server):
    """Ends at once when asked to: there is nothing to save, and someone waits."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        os._exit(0)
