"""Ports of the loopback, and servers of other programs that are waited for there."""

import socket
import subprocess
import time


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_server(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait until a process listens on a port; it must not end before."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{process.args} does not listen on port {port}")
