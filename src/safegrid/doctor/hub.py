"""Prerequisites of a study: those that are missing, and hosts out of reach."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.constants import ENDPOINT

from safegrid.config.load import load_config
from safegrid.config.options import own_folder
from safegrid.doctor.findings import Finding, fail, ok
from safegrid.study import Study
from safegrid.study.prerequisites import is_file_there, prerequisites
from safegrid.study.prerequisites.files import name_of
from safegrid.study.upstreams import Item, Upstreams

SECONDS = 10.0


def look_at(study: str, sources_dir: str | None, config: Path) -> Iterator[Finding]:
    """Ask each host that something is still to be fetched from; tell what is missing.

    Raises:
        ConfigError: the study is not valid.
    """
    folder = own_folder(sources_dir, config)
    asked = Study(load_config(config, study), folder)
    upstreams = Upstreams(asked, folder)
    found = prerequisites(asked, upstreams, os.environ, is_file_there)
    wanted = {p.name for p in found if p.kind == "network" and p.state != "met"}
    items = [item for item in upstreams.items if name_of(item) in wanted]
    hosts = sorted({host for item in items if (host := _host(item))})
    if not items:
        yield ok("hub", f"study {study} has nothing to fetch over the network")
    for host in hosts:
        yield _reach(host, study)
    if wheels := [item.entry.wheel for item in items if item.entry.wheel]:
        yield ok(
            "wheel",
            f"{', '.join(wheels)} by pip, with your settings of it; whether it may be"
            f" had: safegrid preflight --study {study}",
        )
    for one in found:
        if one.state == "missing":
            yield fail(one.kind, f"{one.name}: {one.says}. {one.remedy}")


def _host(item: Item) -> str | None:
    """Return the address of the host that an item comes from; None for a folder's."""
    if item.entry.hub is not None:
        return ENDPOINT
    if item.entry.url is None:
        return None
    parts = urlsplit(item.entry.url)
    return f"{parts.scheme}://{parts.netloc}"


def _reach(host: str, study: str) -> Finding:
    try:
        answer = httpx2.head(host, timeout=SECONDS, follow_redirects=True)
    except httpx2.RequestError as error:
        return fail(
            "hub",
            f"{host} cannot be reached from here ({type(error).__name__}), and study"
            f" {study} fetches from it; start the study where there is a network, or"
            " set HF_ENDPOINT or the proxy that this site needs",
        )
    return ok(
        "hub",
        f"{host} answers from here (HTTP {answer.status_code}); whether files may be"
        f" had: safegrid preflight --study {study}",
    )
