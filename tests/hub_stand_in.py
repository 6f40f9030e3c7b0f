"""A stand-in for the Hugging Face hub on loopback, for tests of what fetches.

It speaks the part of the hub's protocol that the client library uses: what a
repository holds at a revision, whether a token opens it, and files with their ranges,
large ones by way of a second host. It can be told to cut connections, to change what
it serves, and to be slow. It writes down what it was asked.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+?)(?:/revision/(.+))?$")
AUTH = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)/auth-check$")
OFFERS = re.compile(r"/api/models/([^/]+/[^/]+)/discussions$")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")
LARGE = re.compile(r"/large/([0-9a-f]{64})$")
PLAIN = re.compile(r"/plain/(.+)$")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repository:
    """A repository with one commit; `large` names what lies in LFS.

    Attributes:
        offers: what pull requests by the hub's converter make of it, from number 1.
    """

    files: dict[str, bytes]
    commit: str = "c" * 40
    refs: tuple[str, ...] = ("main",)
    gated: bool = False
    large: tuple[str, ...] = ()
    offers: tuple["Repository", ...] = ()

    def at(self, revision: str) -> "Repository | None":
        """Return the repository at a branch, a commit or a pull request."""
        if revision in (*self.refs, self.commit):
            return self
        asked = enumerate(self.offers, start=1)
        names = {f"refs/pr/{n}": offer for n, offer in asked}
        names |= {offer.commit: offer for offer in self.offers}
        return names.get(revision)

    def pins(self) -> dict[str, dict[str, Any]]:
        """Return what a lock says of its files."""
        return {
            name: {"sha256": sha256(content), "bytes": len(content)}
            for name, content in self.files.items()
        }


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    host: str
    token: str | None
    range: str | None


@dataclass
class Hub:
    """The hub: repositories by type and name, tokens, and what goes wrong.

    Attributes:
        opening: tokens whose accounts have accepted the terms of gated repositories.
        known: tokens that are valid, but open nothing that is gated.
        cuts: path of a file to the bytes after which its next answers break off.
        slow: seconds before a file's first byte.
    """

    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    opening: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    slow: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> "Hub":
        hub = self

        class Bound(Handler):
            pass

        Bound.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        # It looks so often, in seconds, whether it should end.
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, kind: str, name: str, **fields: Any) -> Repository:
        """Add a data set or a model."""
        repository = Repository(**fields)
        self.repositories[f"{kind}s", name] = repository
        return repository

    def downloads(self, file: str) -> list[Asked]:
        """Return the requests for the bytes of a file, not those sent elsewhere."""
        ends = (f"/{file}", f"/large/{sha256(self._content(file))}")
        return [a for a in self.asked if a.method == "GET" and a.path.endswith(ends)]

    def _content(self, file: str) -> bytes:
        every = [*self.repositories.values()]
        return next((r.files[file] for r in every if file in r.files), b"")


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("authorization")
        token = authorization.removeprefix("Bearer ") if authorization else None
        host = (self.headers.get("host") or "").split(":")[0]
        self.hub.asked.append(
            Asked(self.command, path, host, token, self.headers.get("range"))
        )
        if found := AUTH.match(path):
            self._gate(found[1], found[2], token) or self._json({})
        elif found := OFFERS.match(path):
            self._offers(found[1], token)
        elif found := API.match(path):
            self._repository(found[1], found[2], found[3] or "main", token)
        elif found := FILE.match(path):
            kind = "datasets" if found[1] else "models"
            self._file(kind, found[2], found[3], found[4], token)
        elif found := LARGE.match(path):
            self._large(found[1])
        elif (found := PLAIN.match(path)) and found[1] in self.hub.plain:
            self._bytes(found[1], self.hub.plain[found[1]])
        else:
            self._refuse(404)

    # ------------------------------------------------------------------ answers

    def _gate(self, kind: str, name: str, token: str | None) -> bool:
        """Refuse who may not in; say whether that was so."""
        if token is not None and token not in self.hub.opening | self.hub.known:
            message = "Invalid credentials in Authorization header"
            self._refuse(401, message=f"{message}", echo=token)
        elif (kind, name) not in self.hub.repositories:
            self._refuse(401 if token is None else 404, code="RepoNotFound")
        elif not self.hub.repositories[kind, name].gated:
            return False
        elif token is None:
            self._refuse(401, code="GatedRepo")
        elif token not in self.hub.opening:
            self._refuse(403, code="GatedRepo", echo=token)
        else:
            return False
        return True

    def _repository(self, kind: str, name: str, ref: str, token: str | None) -> None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            # What is there is told even of a gated repository; its files are not.
            self._gate(kind, name, token)
            return
        repository = repository.at(ref)
        if repository is None:
            self._refuse(404, code="RevisionNotFound")
            return
        siblings = [
            self._sibling(repository, file, content)
            for file, content in repository.files.items()
        ]
        self._json(
            {
                "id": name,
                "sha": repository.commit,
                "private": False,
                "gated": "auto" if repository.gated else False,
                "tags": [],
                "siblings": siblings,
            }
        )

    def _offers(self, name: str, token: str | None) -> None:
        if self._gate("models", name, token):
            return
        offers = self.hub.repositories["models", name].offers
        entries = [
            {
                "title": "Adding `safetensors` variant of this model",
                "num": number,
                "author": {"name": "SFconvertbot"},
                "createdAt": "2024-03-27T00:00:00.000Z",
                "status": "open",
                "repo": {"name": name, "type": "model"},
                "isPullRequest": True,
            }
            for number, _ in enumerate(offers, start=1)
        ]
        self._json({"discussions": entries, "count": len(entries), "start": 0})

    def _sibling(self, of: Repository, file: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"rfilename": file, "size": len(content)}
        if file in of.large:
            entry["lfs"] = {
                "sha256": sha256(content),
                "size": len(content),
                "pointerSize": 130,
            }
        return entry

    def _file(
        self, kind: str, name: str, revision: str, file: str, token: str | None
    ) -> None:
        if self._gate(kind, name, token):
            return
        repository = self.hub.repositories[kind, name].at(revision)
        if repository is None:
            self._refuse(404, code="RevisionNotFound")
        elif file not in repository.files:
            self._refuse(404, code="EntryNotFound")
        elif file in repository.large:
            digest = sha256(repository.files[file])
            self.send_response(302)
            # Another host name, which a token must not follow to.
            where = f"http://localhost:{self.hub.port}/large/{digest}?signature=secret"
            self.send_header("Location", where)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._bytes(file, repository.files[file])

    def _large(self, digest: str) -> None:
        held = self.hub.repositories.values()
        for repository in [r for one in held for r in (one, *one.offers)]:
            for file, content in repository.files.items():
                if sha256(content) == digest:
                    self._bytes(file, content)
                    return
        self._refuse(404)

    def _bytes(self, file: str, content: bytes) -> None:
        first = 0
        if asked := self.headers.get("range"):
            first = int(asked.removeprefix("bytes=").split("-")[0])
        if first and first >= len(content):
            self._refuse(416)
            return
        part = content[first:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        if asked:
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        self.send_header("ETag", f'"{sha256(content)}"')
        self.end_headers()
        threading.Event().wait(self.hub.slow)
        cuts = self.hub.cuts.get(file)
        if cuts:
            part = part[: cuts.pop(0)]
            self.close_connection = True
        if self.command == "GET":
            self.wfile.write(part)

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(
        self, status: int, code: str = "", message: str = "", echo: str = ""
    ) -> None:
        # A careless server repeats what it was sent; nobody may print it.
        body = f"refused {echo}".encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message or f"refused {echo}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
