"""Access to an engine with and without its key, over real connections."""

import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from safegrid.engine import server
from safegrid.engine.server import HeadFirst, KeyRequired

KEY = "key-of-a-run"
LARGE = 100 * 10**6


class Engine:
    """Answers with how many bytes it was sent, behind the access control."""

    def __init__(self):
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = self.listener.getsockname()
        config = uvicorn.Config(
            KeyRequired(self.answer, KEY), http=HeadFirst, ws="none", lifespan="off"
        )
        self.server = uvicorn.Server(config)

    async def answer(self, scope, receive, send):
        self.asked += 1
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message["body"]), message["more_body"]
        await PlainTextResponse(str(length))(scope, receive, send)

    def connect(self):
        return socket.create_connection(self.address, timeout=10)


@pytest.fixture(scope="module")
def running():
    engine = Engine()
    thread = threading.Thread(target=engine.server.run, args=([engine.listener],))
    thread.start()
    yield engine
    engine.server.should_exit = engine.server.force_exit = True
    thread.join()
    engine.listener.close()


@pytest.fixture
def engine(running):
    running.asked = 0
    return running


def head(length, key=KEY, path="/v1/completions"):
    lines = [f"POST {path} HTTP/1.1", "host: engine", f"content-length: {length}"]
    lines += [f"authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


def read(connection):
    """Everything up to the end that the engine makes; it may leave what is sent."""
    parts = []
    # The kernel resets a connection that is closed with unread bytes.
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def answered(connection, text):
    """Whether the answer is this text; the connection stays open."""
    found = b""
    while not found.endswith(b"\r\n\r\n" + text):
        part = connection.recv(65536)
        if not part:
            return False
        found += part
    return found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("key", [None, "other", "", f"{KEY}x"])
def test_a_large_body_without_the_key_is_refused_by_its_head_alone(engine, key):
    with engine.connect() as connection:
        connection.sendall(head(LARGE, key))
        # Nothing of the body was sent, and nothing more is waited for.
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer
    assert b"another run's" in answer
    assert engine.asked == 0


def test_a_body_that_is_pushed_without_the_key_is_not_taken_in(engine):
    with engine.connect() as connection:
        connection.sendall(head(LARGE, "other"))
        sent, part = 0, bytes(2**20)
        with pytest.raises(OSError, match=r"reset|[Bb]roken|timed out"):
            while sent < LARGE:
                sent += connection.send(part)
    assert sent < LARGE / 2


def test_health_is_open_and_reads_no_body_either(engine):
    with engine.connect() as connection:
        connection.sendall(head(LARGE, None, "/health"))
        assert read(connection).startswith(b"HTTP/1.1 200")
    assert engine.asked == 0


def test_slow_connections_do_not_keep_a_run_from_its_engine(engine):
    with ExitStack() as stack:
        # More than it lets wait, each with a head that does not end.
        slow = [
            stack.enter_context(engine.connect()) for _ in range(server.MAX_SILENT + 50)
        ]
        for connection in slow[50:]:
            connection.sendall(head(LARGE, None)[:-2])
        begun = time.monotonic()
        mine = stack.enter_context(engine.connect())
        mine.sendall(head(3) + b"abc")
        assert answered(mine, b"3")
        assert time.monotonic() - begun < 5
        # The oldest ones had to go; the others may go on waiting.
        assert read(slow[0]) == b""
        assert len(HeadFirst._silent) <= server.MAX_SILENT


def test_a_head_that_does_not_come_is_not_waited_for(engine, monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with engine.connect() as silent, engine.connect() as mine:
        mine.sendall(head(3))
        begun = time.monotonic()
        for byte in head(LARGE, None)[:40]:
            try:
                silent.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        assert 0.2 < time.monotonic() - begun < 1.8
        # Who has shown the key may take his time.
        mine.sendall(b"abc")
        assert answered(mine, b"3")
