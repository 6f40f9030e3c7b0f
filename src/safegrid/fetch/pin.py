"""`safegrid pin`: find out once what a name stands for, and write it into the lock."""

import logging
import tempfile
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import get_args

import httpx2
import yaml

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.config.lock import FetchSpec, FilePin, Kind, Lock, Pin, pin_of
from safegrid.config.options import own_folder
from safegrid.config.registries import LOCK, Registries, load_registries
from safegrid.config.source import SourceSpec
from safegrid.core.errors import ClosedError, ConfigError, SourceError
from safegrid.core.files import sha256_file, write_text
from safegrid.core.text_files import placeholder
from safegrid.fetch.choose import INDEX, model_files
from safegrid.fetch.download import pin_of_file, receive
from safegrid.fetch.hub import (
    api,
    in_words,
    page_of,
    repo_type,
    repository,
    safe_weights,
)
from safegrid.fetch.wheel import download_wheel, unpack
from safegrid.study import Study
from safegrid.study.upstreams import UpstreamItem, Upstreams

log = logging.getLogger(__name__)

CONFIG = Path("config")
HEAD = """\
# What each name stands for, exactly: written by `safegrid pin`, read while planning,
# checked by what fetches. A name that is not here is unpinned. docs/sources.md
"""
# Files that a message names; the others are counted.
SHOWN = 20


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
    """
    folder = own_folder(sources_dir, config)
    registries = load_registries(config)
    lock, entries = registries.lock, _entries(registries)
    chosen = _named(entries, names) if names else [e for e in entries if e.unpinned]
    if study is not None:
        if names:
            raise ConfigError("--names and --study: give one of them")
        wanted = Upstreams(Study(load_config(config, study), folder)).unpinned
        chosen = [entry for entry in entries if (entry.kind, entry.name) in wanted]
    found = {kind: dict(lock.of(kind)) for kind in get_args(Kind)}
    problems: list[SourceError] = []
    for entry in chosen:
        try:
            new = _pin(entry, folder)
        except SourceError as error:
            problems.append(error)
            continue
        found[entry.kind][entry.name] = new
        old = lock.of(entry.kind).get(entry.name)
        size = sum(file.bytes for file in new.files.values())
        log.info(
            "%s: %s, %d files, %d bytes%s",
            *(entry.label, new.revision or new.upstream, len(new.files), size),
            "" if old in (None, new) else "; it was something else before",
        )
    write_lock(
        config / LOCK, Lock(**{f"{kind}s": pins for kind, pins in found.items()})
    )
    if problems:
        raise SourceError(f"{len(problems)} could not be pinned\n{_told(problems)}")


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock, sorted, so that a change shows as its own lines."""
    text = yaml.safe_dump(lock.model_dump(), sort_keys=True, width=88)
    write_text(path, HEAD + text)


def _entries(registries: Registries) -> list[UpstreamItem]:
    """Return every entry of every registry, with the files that it names itself."""
    found = []
    for kind in get_args(Kind):
        for name, entry in getattr(registries, f"{kind}s").items():
            if isinstance(entry, SourceSpec):
                files = sorted(set(entry.files.values()))
            else:
                files = [entry.gguf] if entry.gguf else []
            pin = pin_of(registries.lock.of(kind), name, entry, frozenset(files))
            found.append(UpstreamItem(kind, name, entry, tuple(files), (), pin))
    return found


def _named(entries: Sequence[UpstreamItem], names: Sequence[str]) -> list[UpstreamItem]:
    """Return the entries of these names, or say which names are none."""
    open_entries = [e for e in entries if e.entry.address is not None]
    known = sorted({e.name for e in open_entries})
    problems = []
    for name in sorted(set(names) - set(known)):
        close = get_close_matches(name, known, n=1)
        problems.append(
            f"{name!r}" + (f" (did you mean {close[0]!r}?)" if close else "")
        )
    if problems:
        raise SourceError(
            f"nothing to pin under {', '.join(problems)}: names of sources, bases,"
            " judges and encoders that come from the hub, a wheel, an address or a"
            " folder can be pinned"
        )
    return [e for e in open_entries if e.name in names]


def _pin(item: UpstreamItem, sources_dir: str | None) -> Pin:
    entry, what, revision = item.entry, item.label, None
    if entry.hub is not None:
        revision, files = _pins_of_repository(item, entry.hub)
    elif entry.path is not None:
        if sources_dir is None:
            raise SourceError(
                f"{what}: lies in a folder of yours: say which, with --sources-dir"
                " FOLDER"
            )
        folder = Path(sources_dir) / entry.path
        files = _pins_of_folder(item, folder, str(folder))
    elif entry.wheel is not None:
        with tempfile.TemporaryDirectory() as name:
            wheel = download_wheel(entry.wheel, None, Path(name) / "wheel", what)
            folder = unpack(wheel, entry.folder, None, what)
            files = _pins_of_folder(item, folder, wheel.name)
            revision = sha256_file(wheel)
    else:
        files = {name: _received(item.spec(), name, what) for name in item.files}
    return Pin(upstream=str(entry.address), revision=revision, files=files)


def _pins_of_repository(
    item: UpstreamItem, hub: str
) -> tuple[str | None, dict[str, FilePin]]:
    """Return a commit and its files; the hub's word is taken for large ones."""
    what, repo = item.label, repo_type(item.kind, item.entry.is_code)
    with in_words(what, item.name, page_of(repo, hub)):
        if item.entry.gated:
            api().auth_check(hub, repo_type=repo)
        info = repository(repo, hub, item.entry.ref)
        if not item.files and item.entry.ref is None:
            info = safe_weights(what, hub, info)
    there = {sibling.rfilename: sibling.lfs for sibling in info.siblings or []}
    spec = item.spec().model_copy(update={"revision": info.sha})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not item.files and INDEX in there:
            _receive(spec, INDEX, folder, what)
        files = _chosen(item, there, folder, hub)
    pins = {}
    for name in files:
        lfs = there[name]
        large = lfs and FilePin(sha256=lfs.sha256, bytes=lfs.size)
        pins[name] = large or _received(spec, name, what)
    return info.sha, pins


def _pins_of_folder(item: UpstreamItem, folder: Path, place: str) -> dict[str, FilePin]:
    there = [str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()]
    # A search follows no links to folders.
    there += [n for n in item.files if n not in there and (folder / n).is_file()]
    files = _chosen(item, there, folder, place)
    return {name: _hashed(folder / name, item.label) for name in files}


def _chosen(
    item: UpstreamItem, there: Collection[str], folder: Path, place: str
) -> Sequence[str]:
    """Choose the files to pin; the index of weights, if any, lies in `folder`."""
    if not item.files:
        what = f"{item.label}: {place}"
        return model_files(there, folder, item.entry.remote_code, what)
    if missing := [name for name in item.files if name not in there]:
        shown = sorted(there)[:SHOWN]
        raise SourceError(
            f"{item.label}: {place} has no {', '.join(missing)}; it has"
            f" {', '.join(shown) or 'nothing'}"
            f"{' and more' if len(there) > len(shown) else ''}"
        )
    return item.files


def _received(spec: FetchSpec, file: str, what: str) -> FilePin:
    """Receive a file only to hash it."""
    with tempfile.TemporaryDirectory() as folder:
        return _hashed(_receive(spec, file, Path(folder), what), what)


def _receive(spec: FetchSpec, file: str, folder: Path, what: str) -> Path:
    path = folder / PurePosixPath(file).name
    try:
        receive(spec, file, path, f"{what}: {file}")
    except httpx2.InvalidURL as error:
        raise SourceError(f"{what}: {file}: no address: {error}") from None
    return path


def _hashed(path: Path, what: str) -> FilePin:
    """Return the pin of a file, unless something else stands in its place."""
    if stands := placeholder(path):
        raise SourceError(f"{what}: {path.name} is {stands}")
    return pin_of_file(path)


def _told(problems: Sequence[SourceError]) -> str:
    """Return a line for each; pages closed for one reason stand below that reason."""
    closed: dict[str, list[ClosedError]] = {}
    lines = []
    for problem in problems:
        if isinstance(problem, ClosedError):
            closed.setdefault(problem.why, []).append(problem)
        else:
            lines.append(f"  {problem}")
    for why, those in closed.items():
        if len(those) == 1:
            lines.append(f"  {those[0]}")
            continue
        lines.append(f"  each of these {len(those)} {why}")
        lines += [f"    {one.what}: {one.page}" for one in those]
    return "\n".join(lines)
