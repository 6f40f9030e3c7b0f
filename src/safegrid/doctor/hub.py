"""Whether what a study still has to fetch can be reached from here."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.constants import ENDPOINT

from safegrid.config.load import load_config
from safegrid.config.options import own_folder
from safegrid.doctor.findings import Finding, fail, ok
from safegrid.study import Study
from safegrid.upstreams import Item, Upstreams

SECONDS = 10.0


def look_at(study: str, sources_dir: str | None, config: Path) -> Iterator[Finding]:
    """Ask each host that something is still to be fetched from.

    Raises:
        ConfigError: the study is not valid.
    """
    folder = own_folder(sources_dir, config)
    items = Upstreams(Study(load_config(config, study)), folder).fetched
    hosts = {host for item in items if (host := _host(item)) and not _is_there(item)}
    if not hosts:
        yield ok("hub", f"study {study} has nothing to fetch over the network")
    for host in sorted(hosts):
        yield _reach(host, study)


def _host(item: Item) -> str | None:
    """Return the address of the host that an item comes from; None for a folder's."""
    if item.entry.hub is not None:
        return ENDPOINT
    if item.entry.url is None:
        return None
    parts = urlsplit(item.entry.url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_there(item: Item) -> bool:
    return all(Path(target).exists() for target in item.targets)


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
