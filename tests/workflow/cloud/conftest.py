"""A bucket behind a real S3 API on loopback, and Snakemake with its cloud plugins."""

import os
import re
import subprocess
import sys
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import httpx
import pytest

from ports import free_port, wait_for_server

NAME = "of-tests"
PREFIX = "studies"


def pytest_itemcollected(item):
    """Whatever lies here needs what not every machine has."""
    item.add_marker("remote")


class Bucket:
    """An S3 bucket, and what Snakemake is told to use it."""

    def __init__(self, url):
        self.url = url
        # Signed by whom is not looked at, only that a request is signed.
        signed = {"authorization": "AWS test:"}
        address = f"{url}/{NAME}"
        self._client = httpx.Client(base_url=address, headers=signed, trust_env=False)
        self._client.put("").raise_for_status()

    @property
    def environment(self):
        """Where it is and how it opens; the stand-in takes every key."""
        stem = "SNAKEMAKE_STORAGE_S3"
        keys = {f"{stem}_ACCESS_KEY": "test", f"{stem}_SECRET_KEY": "test"}
        return {f"{stem}_ENDPOINT_URL": self.url, **keys}

    @property
    def options(self):
        """Options of Snakemake that put all data and results into it."""
        prefix = f"--default-storage-prefix=s3://{NAME}/{PREFIX}"
        return ["--default-storage-provider=s3", prefix]

    def read(self, path):
        """Return an object by its path in a local run."""
        return self._client.get(f"/{PREFIX}/{path}").raise_for_status().content

    def add(self, folder, paths):
        """Put files of a local run where a run in the bucket has them, oldest first."""
        for path in sorted(paths, key=lambda path: (folder / path).stat().st_mtime_ns):
            content = (folder / path).read_bytes()
            self._client.put(f"/{PREFIX}/{path}", content=content).raise_for_status()

    def bring_down(self, folder):
        """Copy all results with their times, as `aws s3 sync` does."""
        for path in sorted(self.paths()):
            if path.startswith("results/"):
                answer = self._client.get(f"/{PREFIX}/{path}").raise_for_status()
                made = parsedate_to_datetime(answer.headers["last-modified"])
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(answer.content)
                os.utime(folder / path, (made.timestamp(), made.timestamp()))

    def paths(self):
        """Return the paths of all its objects, as a local run has them."""
        found = []
        while True:
            after = {"start-after": found[-1]} if found else {}
            answer = self._client.get("", params={"list-type": "2", **after})
            keys = re.findall("<Key>(.*?)</Key>", answer.raise_for_status().text)
            found += [unquote(key) for key in keys]
            if not keys:
                return {key.removeprefix(f"{PREFIX}/") for key in found}


@pytest.fixture
def bucket(cloud_packages):
    """An empty bucket of a server of its own."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"PYTHONPATH": str(cloud_packages)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_server(server, port)
        yield Bucket(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()
