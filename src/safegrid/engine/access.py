"""Access control of the engine's server: no body is read without the run's key.

Any user of the machine can connect to a port of loopback. A request without the key is
refused by its head alone, and its connection is closed. A connection that sends no
whole head is closed after a while; where there are many, the oldest is closed at once.
So nobody without the key can fill the memory or keep clients from being served.
"""

import asyncio
import hmac
from typing import ClassVar

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""The time that a connection has to send the head of its first request."""
MAX_SILENT = 256
"""Connections without a head at a time; a process may hold 1024 files."""
CLOSE = {"connection": "close"}


class KeyRequired:
    """Passes on requests with a run's key; answers anyone who asks for its health.

    Not a middleware of Starlette's kind: behind one, a client's leaving is not seen.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from its head, or pass it on."""
        if scope["path"] == "/health":
            await Response(headers=CLOSE)(scope, receive, send)
        elif self._has_key(scope):
            await self._app(scope, receive, send)
        else:
            told = "no valid key: this engine is another run's"
            await JSONResponse(error_body(401, told), 401, CLOSE)(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)


def error_body(status: int, message: object) -> dict[str, object]:
    """Return an error as vLLM's API words it."""
    error = {"message": str(message), "type": "BadRequestError", "code": status}
    return {"error": error}


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
