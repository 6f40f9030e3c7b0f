"""HTTP API of the engine; requests are never batched together."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from safegrid.engine.access import KeyRequired, error_body
from safegrid.engine.beams import search
from safegrid.engine.classify import classify
from safegrid.engine.decode import generate
from safegrid.engine.embed import embed
from safegrid.engine.identity import engine_version
from safegrid.engine.launch import LaunchSpec
from safegrid.engine.model import LoadedModel
from safegrid.engine.protocol import (
    ClassifyRequest,
    CompletionRequest,
    EmbeddingRequest,
    RefusedError,
    check_ids,
    check_rows,
)
from safegrid.engine.responses import (
    classified,
    echoed,
    embedded,
    generated,
    next_tokens,
)
from safegrid.engine.scoring import Question, score
from safegrid.engine.usage_counter import SECONDS_HEADER
from safegrid.runtime.devices import device_name

logger = logging.getLogger(__name__)

# How often a waiting request looks whether its client is still there, in seconds.
LOOK = 0.5

Work = Callable[[Callable[[], None]], dict[str, Any]]


class AbandonedError(Exception):
    """The client has gone; its answer would be for nobody."""


class RequestQueue:
    """Works on requests in order of arrival, so many at once, each in one thread."""

    def __init__(self, workers: int = 1) -> None:
        # torch computes outside of Python's lock.
        self._workers = ThreadPoolExecutor(max_workers=workers)

    async def do(self, request: Request, work: Work) -> Response:
        """Run `work` when it is its turn; it is stopped when its client goes.

        Returns:
            The answer, with the seconds that the work took in a header.

        Raises:
            AbandonedError: the client has gone.
        """
        abandoned = threading.Event()

        def check() -> None:
            if abandoned.is_set():
                raise AbandonedError

        def timed() -> tuple[dict[str, Any], float]:
            begun = time.perf_counter()
            return work(check), time.perf_counter() - begun

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
        return {"object": "list", "data": [_card(model, launch_spec)]}

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "causal")
        check_rows(model, body.prompts, body.max_tokens)
        return await queue.do(request, _completing(model, body))

    @app.post("/classify")
    async def classification(body: ClassifyRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "classify")
        check_rows(model, body.rows, 0)
        return await queue.do(request, _classifying(model, launch_spec, body))

    @app.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        _check_name(launch_spec, body.model, "embed")
        check_rows(model, body.rows, 0)
        return await queue.do(request, _embedding(model, launch_spec, body))

    app.add_middleware(KeyRequired, key=launch_spec.key)
    return app


def _completing(model: LoadedModel, body: CompletionRequest) -> Work:
    if body.logprob_token_ids is not None:
        check_ids(model, body.logprob_token_ids)
        return _reading(model, body, body.logprob_token_ids)
    return _scoring(model, body) if body.echo else _generating(model, body)


def _classifying(
    model: LoadedModel, launch_spec: LaunchSpec, body: ClassifyRequest
) -> Work:
    labels: dict[int, str] = model.network.config.id2label

    def work(check: Callable[[], None]) -> dict[str, Any]:
        rows = classify(model, body.rows, body.use_activation, check)
        return classified(launch_spec.model, labels, rows)

    return work


def _embedding(
    model: LoadedModel, launch_spec: LaunchSpec, body: EmbeddingRequest
) -> Work:
    def work(check: Callable[[], None]) -> dict[str, Any]:
        return embedded(launch_spec.model, embed(model, body.rows, check))

    return work


def _generating(model: LoadedModel, body: CompletionRequest) -> Work:
    prompts = [prompt for prompt in body.prompts for _ in range(body.n)]

    def work(check: Callable[[], None]) -> dict[str, Any]:
        if body.beams is not None:
            answers = search(model, prompts, body.beams, body.max_tokens, check)
            return generated(model, body, answers)
        answers = generate(
            model, prompts, body.row_seeds, body.sampling, body.logprobs, check
        )
        return generated(model, body, answers)

    return work


def _scoring(model: LoadedModel, body: CompletionRequest) -> Work:
    starts = body.logprobs_from or [1] * len(body.prompts)
    questions = [
        Question(prompt, start, ahead=body.max_tokens == 1)
        for prompt, start in zip(body.prompts, starts, strict=True)
    ]

    def work(check: Callable[[], None]) -> dict[str, Any]:
        return echoed(model, body, score(model, questions, body.logprobs or 0, check))

    return work


def _reading(
    model: LoadedModel, body: CompletionRequest, token_ids: Sequence[int]
) -> Work:
    """Give log-probabilities of tokens after each prompt, from one forward of it."""
    questions = [
        Question([*prompt, token], len(prompt), ahead=False)
        for prompt in body.prompts
        for token in token_ids
    ]

    def work(check: Callable[[], None]) -> dict[str, Any]:
        return next_tokens(model, body, score(model, questions, 1, check))

    return work


def _card(model: LoadedModel, launch_spec: LaunchSpec) -> dict[str, Any]:
    return {
        "id": launch_spec.model,
        "object": "model",
        "owned_by": "safegrid",
        "root": launch_spec.stack[0],
        "max_model_len": model.context,
        "version": engine_version(model.device.type),
        "device": device_name(launch_spec.threads),
    }


def _check_name(launch_spec: LaunchSpec, name: str, head: str) -> None:
    if name != launch_spec.model:
        raise HTTPException(
            404, f"{name!r} is not served here; {launch_spec.model!r} is"
        )
    if head != launch_spec.head:
        raise RefusedError(f"this engine was started with head {launch_spec.head!r}")


def _add_errors(app: FastAPI) -> None:
    """Turn exceptions into the API's error bodies."""

    def body(status: int, message: object) -> Response:
        return JSONResponse(error_body(status, message), status)

    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return body(error.status_code, error.detail)

    async def refused(_: Request, error: Exception) -> Response:
        return body(400, error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return body(400, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    async def abandoned(_: Request, error: Exception) -> Response:
        logger.info("a request was dropped half way: its client has gone")
        return body(499, "the client has gone")

    app.add_exception_handler(HTTPException, told)
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(AbandonedError, abandoned)
