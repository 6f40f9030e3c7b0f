"""Stand-in for what files are fetched from, on loopback: a hub, addresses, an index.

It speaks the part of the hub's protocol that the client library uses: what a
repository holds at a revision, whether a token opens it, and files with their ranges,
large ones by way of a second host. It serves plain files, and wheels as pip asks for
them. It can be told to cut connections, to change what it serves, and to be slow. It
writes down what it was asked.
"""

import hashlib
import io
import json
import re
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from ports import Loopback, Quiet


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def metadata(package, version):
    return f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode()


def wheel_name(package, version):
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl"


def make_wheel(package, version, files):
    """Return the bytes of a wheel with these files; the same ones give the same."""
    module = package.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    own = {
        f"{module}/__init__.py": b"raise SystemExit('run')\n",
        f"{info}/METADATA": metadata(package, version),
        f"{info}/WHEEL": (
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"{info}/RECORD": b"",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**own, **files}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


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

    def at(self, revision):
        """Return the repository at a branch, a commit or a pull request."""
        if revision in (*self.refs, self.commit):
            return self
        names = {f"refs/pr/{n}": offer for n, offer in enumerate(self.offers, start=1)}
        names |= {offer.commit: offer for offer in self.offers}
        return names.get(revision)

    def pins(self):
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
    """Repositories by type and name, plain files, wheels, and what goes wrong.

    Attributes:
        wheels: by package and version.
        opening: tokens whose accounts have accepted the terms of gated repositories.
        known: tokens that are valid, but open nothing that is gated.
        cuts: path of a file to the bytes after which its next answers break off.
        busy: path of a file to how many of its next downloads are told status 503.
        slow: seconds before a file's first byte.
    """

    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    wheels: dict[tuple[str, str], bytes] = field(default_factory=dict)
    opening: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    slow: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self):
        self._server = Loopback(type("Bound", (Handler,), {"hub": self}))
        self.url = self._server.url
        return self

    def __exit__(self, *error):
        self._server.close()

    @property
    def pip_environment(self):
        """The variables by which pip asks here, and no cache and nothing else."""
        return {
            "PIP_INDEX_URL": f"{self.url}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def add(self, kind, name, **fields):
        """Add a data set or a model."""
        repository = Repository(**fields)
        self.repositories[f"{kind}s", name] = repository
        return repository

    def add_wheel(self, package, version, files):
        """Add a wheel; return its sha256."""
        self.wheels[package, version] = make_wheel(package, version, files)
        return sha256(self.wheels[package, version])

    def downloads(self, file):
        """Return the requests for the bytes of a file, not those sent elsewhere."""
        held = (r.files[file] for r in self.repositories.values() if file in r.files)
        ends = (f"/{file}", f"/large/{sha256(next(held, b''))}")
        return [a for a in self.asked if a.method == "GET" and a.path.endswith(ends)]


class Handler(Quiet, BaseHTTPRequestHandler):
    """Answers one request, by the first of ROUTES that its path fits."""

    hub: Hub

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("authorization")
        self.token = authorization.removeprefix("Bearer ") if authorization else None
        host = (self.headers.get("host") or "").split(":")[0]
        asked = Asked(self.command, path, host, self.token, self.headers.get("range"))
        self.hub.asked.append(asked)
        for route, answer in ROUTES.items():
            if found := re.fullmatch(route, path):
                answer(self, *found.groups())
                return
        self._refuse(404)

    # ------------------------------------------------------------------ the hub

    def _auth(self, kind, name):
        if not self._gate(kind, name):
            self._json({})

    def _gate(self, kind, name):
        """Refuse who may not in; say whether that was so."""
        token, repository = self.token, self.hub.repositories.get((kind, name))
        if token is not None and token not in self.hub.opening | self.hub.known:
            self._refuse(401, "", token, "Invalid credentials in Authorization header")
        elif repository is None:
            self._refuse(401 if token is None else 404, "RepoNotFound")
        elif not repository.gated or token in self.hub.opening:
            return False
        elif token is None:
            self._refuse(401, "GatedRepo")
        else:
            self._refuse(403, "GatedRepo", token)
        return True

    def _repository(self, kind, name, ref):
        whole = self.hub.repositories.get((kind, name))
        if whole is None:
            # What is there is told even of a gated repository; its files are not.
            self._gate(kind, name)
        elif (repository := whole.at(ref or "main")) is None:
            self._refuse(404, "RevisionNotFound")
        else:
            told = {"id": name, "sha": repository.commit, "private": False, "tags": []}
            told["gated"] = "auto" if repository.gated else False
            told["siblings"] = [
                {"rfilename": file, "size": len(content)}
                | (self._lfs(content) if file in repository.large else {})
                for file, content in repository.files.items()
            ]
            self._json(told)

    def _lfs(self, content):
        told = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
        return {"lfs": told}

    def _offers(self, name):
        if self._gate("models", name):
            return
        offers = self.hub.repositories["models", name].offers
        entry = {
            "title": "Adding `safetensors` variant of this model",
            "author": {"name": "SFconvertbot"},
            "createdAt": "2024-03-27T00:00:00.000Z",
            "status": "open",
            "repo": {"name": name, "type": "model"},
            "isPullRequest": True,
        }
        entries = [entry | {"num": number} for number in range(1, len(offers) + 1)]
        self._json({"discussions": entries, "count": len(entries), "start": 0})

    def _file(self, prefix, name, revision, file):
        kind = "datasets" if prefix else "models"
        if self._gate(kind, name):
            return
        repository = self.hub.repositories[kind, name].at(revision)
        if repository is None:
            self._refuse(404, "RevisionNotFound")
        elif file not in repository.files:
            self._refuse(404, "EntryNotFound")
        elif file in repository.large:
            digest = sha256(repository.files[file])
            # Another host name, which a token must not follow to.
            other = self.hub.url.replace("127.0.0.1", "localhost")
            where = f"{other}/large/{digest}?signature=secret"
            self._send(302, b"", Location=where)
        else:
            self._bytes(file, repository.files[file])

    def _large(self, digest):
        held = self.hub.repositories.values()
        every = [r.files for one in held for r in (one, *one.offers)]
        items = [item for files in every for item in files.items()]
        file, content = next(item for item in items if sha256(item[1]) == digest)
        self._bytes(file, content)

    # ------------------------------------------------------------------ the others

    def _plain(self, file):
        if file in self.hub.plain:
            self._bytes(file, self.hub.plain[file])
        else:
            self._refuse(404)

    def _wheels(self, package):
        links = []
        for (name, version), wheel in self.hub.wheels.items():
            if name == package:
                apart = f"sha256={sha256(metadata(name, version))}"
                file = wheel_name(name, version)
                links.append(
                    f'<a href="/files/{file}#sha256={sha256(wheel)}"'
                    f' data-core-metadata="{apart}" data-dist-info-metadata="{apart}">'
                    f"{file}</a>"
                )
        page = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
        self._send(200 if links else 404, page.encode(), Content_Type="text/html")

    def _wheel(self, file, apart):
        for (name, version), wheel in self.hub.wheels.items():
            if wheel_name(name, version) == file:
                self._send(200, metadata(name, version) if apart else wheel)
                return
        self._refuse(404)

    def _bytes(self, file, content):
        asked, headers, first = self.headers.get("range"), {}, 0
        if asked:
            first = int(asked.removeprefix("bytes=").split("-")[0])
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            headers["Content-Range"] = span
        if first and first >= len(content):
            self._refuse(416)
            return
        if self.command == "GET" and self.hub.busy.get(file):
            self.hub.busy[file] -= 1
            self._refuse(503)
            return
        time.sleep(self.hub.slow)
        cuts = self.hub.cuts.get(file)
        cut = cuts.pop(0) if cuts else None
        self.close_connection = cut is not None
        etag = f'"{sha256(content)}"'
        status = 206 if asked else 200
        self._send(status, content[first:], cut, ETag=etag, **headers)

    def _json(self, value):
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    def _refuse(self, status, code="", echo="", message=""):
        # A careless server repeats what it was sent; nobody may print it.
        headers = {"X-Error-Message": message or f"refused {echo}"}
        headers |= {"X-Error-Code": code} if code else {}
        self._send(status, f"refused {echo}".encode(), **headers)

    def _send(self, status, body, cut=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer(body, status, cut if self.command == "GET" else 0, **named)


ROUTES = {
    r"/api/(datasets|models)/([^/]+/[^/]+)/auth-check": Handler._auth,
    r"/api/models/([^/]+/[^/]+)/discussions": Handler._offers,
    r"/api/(datasets|models)/([^/]+/[^/]+?)(?:/revision/(.+))?": Handler._repository,
    r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)": Handler._file,
    r"/large/([0-9a-f]{64})": Handler._large,
    r"/plain/(.+)": Handler._plain,
    r"/simple/([^/]+)/": Handler._wheels,
    r"/files/(.+\.whl)(\.metadata)?": Handler._wheel,
}
