"""A stand-in for a package index on loopback, for tests of what pip downloads.

It speaks the part of the simple repository's protocol that pip asks: the list of a
package's wheels with their hashes, their metadata apart, and their bytes. It writes
down what it was asked.
"""

import hashlib
import io
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def metadata(package: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode()


def make_wheel(package: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a wheel with these files; the same ones give the same."""
    module = package.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    tag = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    own = {
        f"{module}/__init__.py": b"raise SystemExit('run')\n",
        f"{info}/METADATA": metadata(package, version),
        f"{info}/WHEEL": tag,
        f"{info}/RECORD": b"",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**own, **files}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


@dataclass
class Index:
    """An index: wheels by package and version, and the paths that it was asked for."""

    wheels: dict[tuple[str, str], bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> "Index":
        index = self

        class Bound(Handler):
            pass

        Bound.index = index
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which pip asks this index, and no cache and nothing else."""
        port = self._server.server_address[1]
        return {
            "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def add(self, package: str, version: str, files: Mapping[str, bytes]) -> str:
        """Add a wheel; return its sha256."""
        self.wheels[package, version] = make_wheel(package, version, files)
        return sha256(self.wheels[package, version])

    @property
    def downloads(self) -> list[str]:
        """The wheels whose bytes were asked for."""
        return [path for path in self.asked if path.endswith(".whl")]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    index: Index
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.index.asked.append(path)
        for (package, version), wheel in self.index.wheels.items():
            if path == f"/simple/{package}/":
                self._answer(self._page(package).encode(), "text/html")
                return
            file = f"/files/{_file(package, version)}"
            if path == file:
                self._answer(wheel, "application/octet-stream")
                return
            if path == f"{file}.metadata":
                self._answer(metadata(package, version), "text/plain")
                return
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, package: str) -> str:
        links = []
        for (name, version), wheel in self.index.wheels.items():
            if name != package:
                continue
            apart = f"sha256={sha256(metadata(name, version))}"
            file = _file(name, version)
            links.append(
                f'<a href="/files/{file}#sha256={sha256(wheel)}"'
                f' data-core-metadata="{apart}" data-dist-info-metadata="{apart}">'
                f"{file}</a>"
            )
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _file(package: str, version: str) -> str:
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
