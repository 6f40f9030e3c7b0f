"""Usage of an engine by one client: requests, rows, tokens, seconds."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from safegrid.core.errors import EngineError
from safegrid.runtime.usage import Usage

# In how many seconds our engine worked on a request, not counting its turn's wait.
SECONDS_HEADER = "x-safegrid-seconds"


class UsageCounter:
    """Counts what is asked of one engine; requests at a time share the clock.

    Args:
        device: that the engine runs on.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._lock = threading.Lock()
        self._running = 0
        self._begun = 0.0
        self._reset()

    def _reset(self) -> None:
        self._requests = self._rows = self._read = self._written = 0
        self._waited = self._worked = 0.0
        self._told = True

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

    def count(
        self, body: dict[str, Any], answer: dict[str, Any], worked: str | None
    ) -> None:
        """Count an answered request.

        Args:
            body: that was sent.
            answer: that came.
            worked: what the engine says in SECONDS_HEADER, if it says it.
        """
        rows = _rows(body)
        with self._lock:
            self._requests += 1
            self._rows += len(rows)
            self._read += _tokens_read(rows, body)
            self._written += _tokens_written(body, answer)
            self._told = self._told and worked is not None
            self._worked += float(worked or 0)

    def take(self) -> Usage:
        """Return what was counted since the last time, and begin anew."""
        with self._lock:
            measured = "engine" if self._told else "client"
            usage = Usage(
                requests=self._requests,
                rows=self._rows,
                tokens_in=self._read,
                tokens_out=self._written,
                seconds=round(self._worked if self._told else self._waited, 6),
                measured=measured if self._requests else "",
                device=self.device,
            )
            self._reset()
            return usage


def _rows(body: dict[str, Any]) -> Sequence[Sequence[int]]:
    rows: Any = body["prompt"] if "prompt" in body else body["input"]
    return [rows] if rows and isinstance(rows[0], int) else rows


def _tokens_read(rows: Sequence[Sequence[int]], body: dict[str, Any]) -> int:
    """Return the tokens that a model reads to answer a request.

    Where rows are scored and nothing is asked after them, their last token need not be
    read, and rows that are equal but for it are read once.
    """
    if not body.get("echo") or body["max_tokens"]:
        return sum(map(len, rows))
    return sum(map(len, {tuple(row[:-1]) for row in rows}))


def _tokens_written(body: dict[str, Any], answer: dict[str, Any]) -> int:
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
