"""An OpenAI-compatible chat endpoint on the loopback, whose answers are a test's."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


def completion(text: str | None, **changes: Any) -> dict[str, Any]:
    """Return a chat completion as the protocol has it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
    } | changes


class StandIn:
    """A running stand-in; `answer` gets each request's body and says what is sent.

    Attributes:
        asked: bodies in the order in which they came; `headers` likewise.
        most: requests that were under way at a time, at most.
    """

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply("yes")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Base URL, as a user sets it."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                stand_in._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        with self._lock:
            self.asked.append(body)
            self.headers.append({k.title(): v for k, v in request.headers.items()})
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            reply = self.answer(body)
            time.sleep(reply.seconds)
        finally:
            with self._lock:
                self._now -= 1
        sent = reply.body
        if sent is None:
            found = completion(reply.text) if reply.status == 200 else {"error": "no"}
            sent = json.dumps(found).encode()
        request.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(sent))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(sent)
