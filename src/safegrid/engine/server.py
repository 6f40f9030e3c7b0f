"""Our own engine: an HTTP API over transformers, for CPUs and small models.

Requests are never batched together.

Any user of the machine can connect to a port of loopback. A request without the run's
key is refused by its head alone, no body is read, and its connection is closed. A
connection that sends no whole head is closed after a while; where there are many, the
oldest is closed at once. So nobody without the key can fill the memory or keep clients
from being served.
"""

import asyncio
import hmac
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import FrameType
from typing import Any, ClassVar, TypeVar

import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from safegrid.engine.beams import check_search
from safegrid.engine.calls import SECONDS_HEADER
from safegrid.engine.identity import engine_version
from safegrid.engine.launch import LaunchSpec
from safegrid.engine.model import LoadedModel, load
from safegrid.engine.protocol import (
    ClassifyRequest,
    CompletionRequest,
    EmbeddingRequest,
    RefusedError,
    check_ids,
    check_rows,
)
from safegrid.engine.responses import complete, label, vectors
from safegrid.runtime.devices import device_name

logger = logging.getLogger(__name__)
Body = TypeVar("Body")

LOOK = 0.5
"""How often a waiting request looks whether its client is still there, in seconds."""
HEAD_SECONDS = 10.0
"""The time that a connection has to send the head of its first request."""
MAX_SILENT = 256
"""Connections without a head at a time; a process may hold 1024 files."""
CLOSE = {"connection": "close"}
MOST_WORKERS = 4
"""Requests at once, at most: each holds a chunk of its own in memory."""
CHANGING = ("dynamic", "longrope")
"""Kinds of rotary embeddings that a forward changes."""


class AbandonedError(Exception):
    """The client has gone; its answer would be for nobody."""


class RequestQueue:
    """Works on requests in order of arrival, so many at once, each in one thread."""

    def __init__(self, workers: int = 1) -> None:
        # torch computes outside of Python's lock.
        self._workers = ThreadPoolExecutor(max_workers=workers)

    async def do(
        self,
        request: Request,
        work: Callable[[LoadedModel, Body], dict[str, Any]],
        model: LoadedModel,
        body: Body,
    ) -> Response:
        """Run `work` when it is its turn, stopped when nobody waits for its answer.

        The answer says in a header how many seconds the work took. AbandonedError says
        that the client has gone.
        """
        abandoned = threading.Event()

        def check() -> None:
            if abandoned.is_set():
                raise AbandonedError

        def timed() -> tuple[dict[str, Any], float]:
            begun = time.perf_counter()
            return work(replace(model, check=check), body), time.perf_counter() - begun

        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._workers, timed)
        while not (await asyncio.wait([future], timeout=LOOK))[0]:
            if await request.is_disconnected():
                abandoned.set()
        answer, seconds = future.result()
        return JSONResponse(answer, headers={SECONDS_HEADER: f"{seconds:.6f}"})


def make_app(
    model: LoadedModel, launch_spec: LaunchSpec, queue: RequestQueue
) -> FastAPI:
    """Return the application that serves a model to the holders of a run's key."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        card = {
            "id": launch_spec.model,
            "object": "model",
            "owned_by": "safegrid",
            "root": launch_spec.stack[0],
            "max_model_len": model.context,
            "version": engine_version(model.device.type),
            "device": device_name(launch_spec.threads),
        }
        return {"object": "list", "data": [card]}

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "causal")
        check_rows(model, body.prompts, body.max_tokens)
        if body.logprob_token_ids is not None:
            check_ids(model, body.logprob_token_ids)
        return await queue.do(request, complete, model, body)

    @app.post("/classify")
    async def classification(body: ClassifyRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "classify")
        check_rows(model, body.rows, 0)
        return await queue.do(request, label, model, body)

    @app.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "embed")
        check_rows(model, body.rows, 0)
        return await queue.do(request, vectors, model, body)

    app.add_middleware(KeyRequired, key=launch_spec.key)
    return app


def _check_name(launch_spec: LaunchSpec, name: str, head: str) -> None:
    if name != launch_spec.model:
        raise HTTPException(
            404, f"{name!r} is not served here; {launch_spec.model!r} is"
        )
    if head != launch_spec.head:
        raise RefusedError(f"this engine was started with head {launch_spec.head!r}")


def _error(status: int, message: object, **headers: str) -> Response:
    """Return an error as vLLM's API words it."""
    error = {"message": str(message), "type": "BadRequestError", "code": status}
    return JSONResponse({"error": error}, status, headers)


def _add_errors(app: FastAPI) -> None:
    """Turn exceptions into the API's error bodies."""

    @app.exception_handler(HTTPException)
    async def told(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, error.detail)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return _error(400, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _error(400, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    @app.exception_handler(AbandonedError)
    async def abandoned(_: Request, error: AbandonedError) -> Response:
        logger.info("a request was dropped half way: its client has gone")
        return _error(499, "the client has gone")


class KeyRequired:
    """Passes on requests with a run's key; answers anyone who asks for its health.

    Not a middleware of Starlette's kind: behind one, a client's leaving is not seen.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from its head, or pass it on."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if scope["path"] == "/health":
            await Response(headers=CLOSE)(scope, receive, send)
        elif hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            told = "no valid key: this engine is another run's"
            await _error(401, told, **CLOSE)(scope, receive, send)


class HeadFirst(H11Protocol):
    """Closes connections on which no whole head of a request has come."""

    _silent: ClassVar[dict["HeadFirst", None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in, and the oldest silent one out where they are many."""
        super().connection_made(transport)
        self._silent[self] = None
        self._late = self.loop.call_later(HEAD_SECONDS, self._turn_away)
        if len(self._silent) > MAX_SILENT:
            next(iter(self._silent))._turn_away()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request; h11 bounds how long a head may be."""
        super().data_received(data)
        if self.scope is not None:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that has ended."""
        self._forget()
        super().connection_lost(exc)

    def _turn_away(self) -> None:
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        self._late.cancel()
        self._silent.pop(self, None)


def serve(launch_spec: LaunchSpec, tell: Callable[[str], None]) -> None:
    """Load a model and answer requests until this process ends; tell its URL."""
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
