"""One request to an engine over HTTP: its JSON, or an error that says what is wrong."""

from collections.abc import Callable
from typing import Any, NamedTuple

import urllib3

from safegrid.core.errors import EngineError
from safegrid.engine.usage_counter import SECONDS_HEADER

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


class KeyRefusedError(EngineError):
    """An engine does not take the key, or asks for one."""


class FailedError(EngineError):
    """An engine does not answer, or says that it is at fault itself."""


class Reply(NamedTuple):
    """An answer, and in how many seconds the engine says that it made it."""

    body: dict[str, Any]
    worked: str | None


def call(
    method: str,
    url: str,
    key: str | None,
    body: dict[str, Any] | None = None,
    why_gone: Callable[[], str] = lambda: "",
) -> dict[str, Any]:
    """Send a request as `send` does, and return its JSON alone."""
    return send(method, url, key, body, why_gone).body


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


def send(
    method: str,
    url: str,
    key: str | None,
    body: dict[str, Any] | None,
    why_gone: Callable[[], str],
) -> Reply:
    """Send a request, again if the connection fails, and return its JSON.

    Args:
        method: of HTTP.
        url: of the engine and what is asked of it.
        key: bearer key, if it asks for one.
        body: what is sent as JSON.
        why_gone: what to add to the message when it is gone or at fault.

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
