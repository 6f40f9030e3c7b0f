"""Requests to an engine over HTTP, and the count of what they took."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import urllib3

from safegrid.core.errors import EngineError
from safegrid.runtime.usage import Usage

# In how many seconds our engine worked on a request, not counting its turn's wait.
SECONDS_HEADER = "x-safegrid-seconds"
# Rows of a request: vLLM refuses more than 1024 (VLLM_MAX_COMPLETION_PROMPTS).
MOST_ROWS = 1000
# Requests at a time to an engine that takes one seed a request.
PARALLEL = 32
# Lists of rows take long on CPUs; a dead engine closes the connection at once.
TIMEOUT = urllib3.Timeout(connect=10, read=7200)
HEALTH_SECONDS = 5.0
# From this status on a server says that it is at fault itself.
SERVER_FAULT = 500
# The same request gives the same answer, so asking again is harmless.
RETRIES = urllib3.Retry(
    total=4,
    read=1,
    backoff_factor=0.25,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)
_POOL = urllib3.PoolManager(maxsize=PARALLEL)

Body = dict[str, Any]


class KeyRefusedError(EngineError):
    """An engine does not take the key, or asks for one."""


class FailedError(EngineError):
    """An engine does not answer, or says that it is at fault itself."""


class Reply(NamedTuple):
    """An answer, and in how many seconds the engine says that it made it."""

    body: Body
    worked: str | None


def send(
    method: str,
    url: str,
    key: str | None,
    body: Body | None = None,
    why_gone: Callable[[], str] = lambda: "",
) -> Reply:
    """Send a request, again if the connection fails, and return its JSON.

    `why_gone` gives what to add to the message when the engine is gone or at fault.

    Raises:
        KeyRefusedError: the key is not the engine's.
        FailedError: no answer, or a status that says that the engine is at fault.
        EngineError: another status than 200, or no JSON.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = _POOL.request(
            method, url, json=body, headers=headers, timeout=TIMEOUT, retries=RETRIES
        )
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", error)
        raise FailedError(f"{url} does not answer: {reason}{why_gone()}") from error
    if response.status in (401, 403):
        raise KeyRefusedError(f"{url} does not take the key (status {response.status})")
    if response.status != 200:
        text = response.data.decode(errors="replace")
        # A careless server repeats what it was sent, and logs are shared.
        text = text.replace(key, "***") if key else text
        told = f"{url} refuses (status {response.status}): {text[:2000]}"
        if response.status >= SERVER_FAULT:
            raise FailedError(told + why_gone())
        raise EngineError(told)
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise EngineError(f"{url} answers with no JSON object; it is no engine")
    return Reply(answer, response.headers.get(SECONDS_HEADER))


def is_failing(url: str) -> bool:
    """Whether an engine answers no more, or says itself that it is at fault.

    One that takes long is busy.
    """
    try:
        return _health(url) >= SERVER_FAULT
    except urllib3.exceptions.NewConnectionError:
        # A refused connection, which urllib3 counts among the timeouts.
        return True
    except urllib3.exceptions.TimeoutError:
        return False
    except urllib3.exceptions.HTTPError:
        return True


def is_healthy(url: str) -> bool:
    """Whether an engine answers already."""
    try:
        return _health(url) == 200
    except urllib3.exceptions.HTTPError:
        return False


def _health(url: str) -> int:
    answer = urllib3.request(
        "GET", f"{url}/health", retries=False, timeout=HEALTH_SECONDS
    )
    return answer.status


class UsageCounter:
    """Counts what is asked of an engine on a device; requests share the clock."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._lock = threading.Lock()
        self._running = 0
        self._begun = self._waited = 0.0
        # Of each request its rows, the tokens read and written, the engine's seconds.
        self._counted: list[tuple[int, int, int, str | None]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the clock go for as long as any request is under way."""
        with self._lock:
            if not self._running:
                self._begun = time.perf_counter()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._waited += time.perf_counter() - self._begun

    def count(self, body: Body, answer: Body, worked: str | None) -> None:
        """Count a request by what was sent, what came, and the engine's seconds.

        Raises:
            EngineError: the answer does not say how many tokens it has.
        """
        rows: Any = body["prompt"] if "prompt" in body else body["input"]
        rows = [rows] if rows and isinstance(rows[0], int) else rows
        read, written = _tokens_read(rows, body), _tokens_written(body, answer)
        self._counted.append((len(rows), read, written, worked))

    def take(self) -> Usage:
        """Return what was counted since the last time, and begin anew."""
        counted, self._counted = self._counted, []
        waited, self._waited = self._waited, 0.0
        seconds = [float(worked) for *_, worked in counted if worked is not None]
        told = len(seconds) == len(counted)
        return Usage(
            requests=len(counted),
            rows=sum(rows for rows, *_ in counted),
            tokens_in=sum(read for _, read, *_ in counted),
            tokens_out=sum(written for _, _, written, _ in counted),
            seconds=round(sum(seconds) if told else waited, 6),
            measured=("engine" if told else "client") if counted else "",
            device=self.device,
        )


def _tokens_read(rows: Sequence[Sequence[int]], body: Body) -> int:
    """Return the tokens that a model reads to answer a request.

    Where rows are scored and nothing is asked after them, their last token need not be
    read, and rows that are equal but for it are read once.
    """
    if not body.get("echo") or body["max_tokens"]:
        return sum(map(len, rows))
    return sum(map(len, {tuple(row[:-1]) for row in rows}))


def _tokens_written(body: Body, answer: Body) -> int:
    """Return the tokens of answers; one that comes with scores is not asked for."""
    if body.get("echo") or "input" in body or "logprob_token_ids" in body:
        return 0
    usage = answer.get("usage")
    if isinstance(usage, dict) and "completion_tokens" in usage:
        return int(usage["completion_tokens"])
    if not all("token_ids" in choice for choice in answer["choices"]):
        raise EngineError(
            "an answer does not say how many tokens it has (neither `usage` nor"
            " `token_ids`); expected vLLM's completions API"
        )
    return sum(len(choice["token_ids"]) for choice in answer["choices"])
