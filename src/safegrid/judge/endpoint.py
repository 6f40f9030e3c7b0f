"""Requests to an OpenAI-compatible chat endpoint: their answers, or what went wrong.

What can pass (no connection, no answer in time, too many requests, a server's own
error, an answer that is no chat completion) is tried again with back-off, and as late
as the endpoint says. What cannot is told apart: a refusal of this one request, and
settings that no request will get past.
"""

import ipaddress
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
from tenacity import (
    Retrying,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from safegrid.config.block import plain_address
from safegrid.config.judge import EndpointSpec
from safegrid.core.errors import JudgeError
from safegrid.readers.json_text import without_halves

logger = logging.getLogger(__name__)

# How a request ended.
ANSWER, REFUSED, FAILED = "answer", "refused", "failed"
# After so many items without an answer, one after another, the others are not asked.
GIVE_UP = 8
# Statuses that may be others a little later, beside those of servers' own errors.
PASSING = frozenset({408, 409, 425, 429})
# Statuses that say that this request, and no other, is not answered.
REFUSING = frozenset({400, 413, 422, 451})
# A server that asks for more patience is asked again after so many seconds.
MOST_PATIENCE = 300.0
SHOWN = 300

Body = dict[str, Any]
Tried = dict[str, Any]


class Pace:
    """Spaces the beginnings of requests, of all threads together."""

    def __init__(
        self,
        requests_per_minute: int | None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap = 60 / requests_per_minute if requests_per_minute else 0.0
        self._sleep, self._clock = sleep, clock
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Wait for this thread's turn."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + self._gap
        if begin > now:
            self._sleep(begin - now)

    def hold(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class Endpoint:
    """A chat endpoint, asked from several threads once; `sleep` is how one waits.

    Attributes:
        wrong: what every request would meet; it ended the questions.
    """

    def __init__(
        self,
        judge: str,
        spec: EndpointSpec,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._judge, self._spec, self._sleep = judge, spec, sleep
        self._address, self._key = _address(judge, spec), _key(judge, spec)
        self._pace = Pace(spec.requests_per_minute, sleep)
        self._stop, self._failures = threading.Event(), 0
        self.wrong: JudgeError | None = None
        self._http = httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx2.Timeout(spec.timeout, connect=min(10.0, spec.timeout)),
            limits=httpx2.Limits(max_connections=spec.max_concurrency),
            # A proxy of the environment does not lead to this machine.
            trust_env=not _is_here(self._address),
        )

    def outcomes(self, items: Mapping[str, Body]) -> Iterator[tuple[str, Tried]]:
        """Yield how each request ended, as it comes; those that began end.

        After GIVE_UP failures in a row, and after an error that every request would
        meet, which is then `wrong`, the others are left out.
        """
        with self._http, ThreadPoolExecutor(self._spec.max_concurrency) as pool:
            futures = {pool.submit(self._try, body): k for k, body in items.items()}
            try:
                for future in as_completed(futures):
                    if future.result():
                        yield futures[future], future.result()
            finally:
                self._stop.set()

    def _try(self, body: Body) -> Tried:
        """Return a request's outcome; empty where it was not asked."""
        if self._stop.is_set():
            return {}
        try:
            found = self._ask(body)
        except JudgeError as error:
            self.wrong = error
            self._stop.set()
            return {}
        self._failures = self._failures + 1 if FAILED in found else 0
        if self._failures == GIVE_UP:
            logger.warning("%d items in a row without an answer; stopped", GIVE_UP)
            self._stop.set()
        return found

    def _ask(self, body: Body) -> Tried:
        """Return the outcome of the last try; only what can pass is tried again."""
        return Retrying(
            retry=retry_if_result(lambda tried: FAILED in tried),
            stop=stop_after_attempt(self._spec.max_attempts),
            wait=wait_random_exponential(multiplier=0.5, max=30.0),
            sleep=self._sleep,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )(self._once, body)

    def _once(self, body: Body) -> Tried:
        self._pace.wait()
        try:
            reply = self._http.post(f"{self._address}/chat/completions", json=body)
        except httpx2.TimeoutException:
            return {FAILED: f"no answer within {self._spec.timeout:g} seconds"}
        except httpx2.RequestError as error:
            return {FAILED: f"cannot be reached ({type(error).__name__})"}
        if reply.status_code != 200:
            return self._failure(reply)
        try:
            answer = json.loads(self._unmarked(reply.content.decode()))
        except (ValueError, RecursionError):
            answer = None
        if not is_completion(answer):
            return {FAILED: "answers with no chat completion"}
        return {ANSWER: without_halves(answer)}

    def _failure(self, reply: httpx2.Response) -> Tried:
        status = reply.status_code
        if status in PASSING or status >= 500:
            # A server's own wish holds all threads.
            self._pace.hold(_patience(reply.headers.get("retry-after", "")))
            return {FAILED: f"status {status}"}
        said = " ".join(self._unmarked(reply.text).split())[:SHOWN]
        if status in REFUSING:
            return {REFUSED: f"status {status}: {said}"}
        raise JudgeError(
            f"judge {self._judge}: the endpoint in ${self._spec.address} does not take"
            f" requests for model {self._spec.model!r} (status {status}: {said});"
            f" look at ${self._spec.address}, ${self._spec.key} and the judge's `model`"
        )

    def _unmarked(self, text: str) -> str:
        """Return a server's words without what must stand in no file."""
        for secret in (self._key, self._address):
            text = text.replace(secret, "***") if secret else text
        return text


def _address(judge: str, spec: EndpointSpec) -> str:
    url = os.environ.get(spec.address, "").strip().rstrip("/")
    try:
        return plain_address(url)
    except ValueError as error:
        problem = str(error) if url else "is not set"
        raise JudgeError(
            f"judge {judge}: the variable {spec.address} {problem}; it names the base"
            " URL of an OpenAI-compatible endpoint, such as https://host/v1"
        ) from None


def _key(judge: str, spec: EndpointSpec) -> str:
    key = os.environ.get(spec.key, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise JudgeError(
            f"judge {judge}: the variable {spec.key} holds a character that cannot"
            " stand in a request's header; set it to the key alone, in one line"
        )
    return key


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_completion(answer: Any) -> bool:
    """Say whether a JSON value is a chat completion with an answer in it."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return isinstance(message, dict) and isinstance(message.get("content"), str | None)


def _patience(header: str) -> float:
    """Read `Retry-After`, seconds or a date; 0 of none."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), MOST_PATIENCE)
