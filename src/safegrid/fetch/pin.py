"""`safegrid pin`: find out once what a name stands for, and write it into the lock."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

import httpx2
import yaml
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import logging as hub_logging

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.config.lock import FetchSpec, FilePin, Kind, Lock, Pin
from safegrid.config.options import own_folder
from safegrid.config.registries import LOCK, load_registries
from safegrid.core.errors import ConfigError, SourceError
from safegrid.core.files import read_object, sha256_file, write_text
from safegrid.core.text_files import placeholder
from safegrid.fetch.access import told
from safegrid.fetch.choose import INDEX, model_files
from safegrid.fetch.conversions import safe_weights
from safegrid.fetch.entries import Entry, entries_of, named, unpinned
from safegrid.fetch.hub import (
    address,
    check_access,
    in_words,
    repo_type,
    repository,
)
from safegrid.fetch.pin_wheel import pin_wheel
from safegrid.study import Study
from safegrid.study.upstreams import Upstreams

log = logging.getLogger(__name__)

CONFIG = Path("config")
HEAD = """\
# What each name stands for, exactly: written by `safegrid pin`, read while planning,
# checked by what fetches. A name that is not here is unpinned. docs/sources.md
"""


def pin(
    names: Sequence[str] = (),
    study: Name | None = None,
    sources_dir: str | None = None,
    config: Path = CONFIG,
) -> None:
    """Pin entries of the registries and write the lock.

    Args:
        names: of sources, bases, judges or encoders; none for all that is unpinned.
        study: a file of config/studies, for what it takes and is unpinned; in the place
            of names.
        sources_dir: the folder that `path` of an entry is below.
        config: the folder of the registries and the lock.

    Raises:
        ConfigError: both names and a study are given, or the study is not valid.
        SourceError: names of no entry; or one sentence for each that could not be
            pinned. The others are pinned all the same.
    """
    folder = own_folder(sources_dir, config)
    registries = load_registries(config)
    entries = entries_of(registries)
    chosen = named(entries, names) if names else unpinned(entries, registries.lock)
    if study is not None:
        if names:
            raise ConfigError("--names and --study: give one of them")
        wanted = Upstreams(Study(load_config(config, study), folder), folder).unpinned
        chosen = [entry for entry in entries if (entry.kind, entry.name) in wanted]
    found: dict[Kind, dict[str, Pin]] = {kind: {} for kind in get_args(Kind)}
    problems: list[SourceError] = []
    for entry in chosen:
        try:
            found[entry.kind][entry.name] = _pin(entry, folder)
        except SourceError as error:
            problems.append(error)
            continue
        _tell(entry, registries.lock, found[entry.kind][entry.name])
    write_lock(config / LOCK, _merged(registries.lock, found))
    if problems:
        raise SourceError(f"{len(problems)} could not be pinned\n{told(problems)}")


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock, sorted, so that a change shows as its own lines."""
    text = yaml.safe_dump(lock.model_dump(), sort_keys=True, width=88)
    write_text(path, HEAD + text)


def _pin(entry: Entry, sources_dir: str | None) -> Pin:
    upstream = entry.upstream
    if upstream.hub is not None:
        return _pin_repository(entry, upstream.hub)
    if upstream.path is not None:
        return _pin_folder(entry, upstream.path, sources_dir)
    if upstream.wheel is not None:
        return pin_wheel(entry, upstream.wheel)
    files = {name: _received(entry, _spec(entry), name) for name in entry.wanted}
    return Pin(upstream=str(upstream.address), files=files)


def _pin_repository(entry: Entry, hub: str) -> Pin:
    what = entry.what
    repo = repo_type(entry.kind, entry.upstream.is_code)
    with in_words(what, repo, entry.name, hub):
        if entry.upstream.gated:
            check_access(repo, hub)
        info = repository(repo, hub, entry.upstream.ref)
        if not entry.wanted and entry.upstream.ref is None:
            info = safe_weights(what, hub, info)
    there = {sibling.rfilename: sibling for sibling in info.siblings or []}
    spec = _spec(entry, info.sha)
    names = _names(entry, spec, there)
    files = {name: _sibling(entry, spec, there[name]) for name in names}
    return Pin(upstream=str(entry.upstream.address), revision=info.sha, files=files)


def _sibling(entry: Entry, spec: FetchSpec, sibling: RepoSibling) -> FilePin:
    """Take a large file's hash from the hub; receive a small one to hash it."""
    if sibling.lfs is not None:
        return FilePin(sha256=sibling.lfs.sha256, bytes=sibling.lfs.size)
    return _received(entry, spec, sibling.rfilename)


def _names(
    entry: Entry, spec: FetchSpec, there: dict[str, RepoSibling]
) -> Sequence[str]:
    """Choose the files to pin, or say which are not there and what is."""
    if not entry.wanted:
        index = None
        if INDEX in there:
            with tempfile.TemporaryDirectory() as folder:
                path = _receive(entry, spec, INDEX, Path(folder))
                index = read_object(path)
        try:
            return model_files(list(there), index, entry.upstream.remote_code)
        except SourceError as error:
            raise SourceError(f"{entry.what}: {error}") from None
    return entry.all_in(there, str(spec.hub))


def _pin_folder(entry: Entry, path: str, sources_dir: str | None) -> Pin:
    if sources_dir is None:
        raise SourceError(
            f"{entry.what}: lies in a folder of yours: say which, with"
            " --sources-dir FOLDER"
        )
    folder = Path(sources_dir) / path
    names = set(entry.wanted)
    if not names:
        there = [f.name for f in folder.glob("*") if f.is_file()]
        index = read_object(folder / INDEX) if INDEX in there else None
        names = set(model_files(there, index, remote_code=False))
    missing = [name for name in sorted(names) if not (folder / name).is_file()]
    if missing:
        raise SourceError(f"{entry.what}: {', '.join(missing)} not in {folder}")
    files = {name: _hashed(entry, folder / name) for name in names}
    return Pin(upstream=str(entry.upstream.address), files=files)


def _spec(entry: Entry, revision: str | None = None) -> FetchSpec:
    return FetchSpec(
        kind=entry.kind,
        name=entry.name,
        hub=entry.upstream.hub,
        url=entry.upstream.url,
        revision=revision,
        remote_code=entry.upstream.is_code,
    )


def _received(entry: Entry, spec: FetchSpec, file: str) -> FilePin:
    """Receive a file only to hash it."""
    with tempfile.TemporaryDirectory() as folder:
        return _hashed(entry, _receive(entry, spec, file, Path(folder)))


def _receive(entry: Entry, spec: FetchSpec, file: str, folder: Path) -> Path:
    what = f"{entry.what}: {file}"
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    path = folder / PurePosixPath(file).name
    where = address(spec, file)
    repo = repo_type(spec.kind, spec.remote_code)
    with in_words(what, repo, spec.name, spec.hub), path.open("wb") as stream:
        try:
            http_get(where.url, stream, headers=where.headers, displayed_filename=what)
        except httpx2.InvalidURL as error:
            raise SourceError(f"{what}: no address: {error}") from None
    return path


def _hashed(entry: Entry, path: Path) -> FilePin:
    """Return the pin of a file that is at hand.

    Raises:
        SourceError: something else stands in its place.
    """
    what = placeholder(path)
    if what is not None:
        raise SourceError(f"{entry.what}: {path.name} is {what}")
    return FilePin(sha256=sha256_file(path), bytes=path.stat().st_size)


def _merged(lock: Lock, found: dict[Kind, dict[str, Pin]]) -> Lock:
    return Lock(
        sources={**lock.sources, **found["source"]},
        bases={**lock.bases, **found["base"]},
        judges={**lock.judges, **found["judge"]},
        encoders={**lock.encoders, **found["encoder"]},
    )


def _tell(entry: Entry, lock: Lock, new: Pin) -> None:
    old = lock.of(entry.kind).get(entry.name)
    size = sum(file.bytes for file in new.files.values())
    log.info(
        "%s %s: %s, %d files, %d bytes%s",
        *(entry.kind, entry.name, new.revision or new.upstream, len(new.files), size),
        "" if old in (None, new) else "; it was something else before",
    )
