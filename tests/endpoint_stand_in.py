"""An OpenAI-compatible chat endpoint on the loopback, whose answers are a test's."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from ports import Loopback, Quiet

MODEL = "judge-2026-01-01"


@dataclass
class Reply:
    """What is sent back; a `text` is put into a chat completion.

    Attributes:
        body: sent as it is, in place of a completion.
        seconds: that pass before it.
    """

    text: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 0.0


def completion(text, **changes):
    """Return a chat completion as the protocol has it."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
    found = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1}
    found |= {"model": MODEL, "usage": usage}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**found, "choices": [choice], **changes}


class StandIn:
    """A running stand-in; `answer` gets each request's body and says what is sent.

    Attributes:
        asked: bodies in the order in which they came; `headers` likewise.
        most: requests that were under way at a time, at most.
    """

    def __init__(self):
        self.answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply("yes")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._server = Loopback(type("Bound", (Handler,), {"stand_in": self}))
        self.url = f"{self._server.url}/v1"
        self.close = self._server.close

    def reply(self, body, headers):
        """Note a request, and return what is sent."""
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            reply = self.answer(body)
            time.sleep(reply.seconds)
        finally:
            with self._lock:
                self._now -= 1
        return reply


class Handler(Quiet, BaseHTTPRequestHandler):
    """Answers one request."""

    stand_in: StandIn

    def do_POST(self):
        headers = {name.title(): value for name, value in self.headers.items()}
        reply = self.stand_in.reply(json.loads(self.body()), headers)
        sent = reply.body
        if sent is None:
            found = completion(reply.text) if reply.status == 200 else {"error": "no"}
            sent = json.dumps(found).encode()
        self.answer(sent, reply.status, **reply.headers)
