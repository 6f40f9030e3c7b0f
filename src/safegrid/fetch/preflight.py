"""Before anything is fetched: what it is, how large, and whether it can be had."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from safegrid.config.load import load_config
from safegrid.consent import REMOTE_CODE
from safegrid.errors import DataError, SourceError
from safegrid.fetch.download import SPARE_BYTES
from safegrid.fetch.hub import check_access, in_words, repo_type
from safegrid.fetch.pin import CONFIG
from safegrid.fetch.run import confirmed
from safegrid.pretrained import check_code
from safegrid.study import Study
from safegrid.upstreams import Item, Upstreams

RESULTS = Path("results")


class Line(NamedTuple):
    """What the list says of one upstream, and what is wrong with it, if anything."""

    item: Item
    bytes: int
    state: str
    problem: str | None = None


def preflight(
    study: str, sources_dir: str | None = None, config: Path = CONFIG
) -> None:
    """List everything that a study fetches, or say in one message what is missing.

    Raises:
        ConfigError: the study is not valid.
        SourceError: something cannot be had: every reason, a line each.
    """
    upstreams = Upstreams(Study(load_config(config, study)), sources_dir)
    lines = [_look(upstreams, item) for item in upstreams.items]
    if not lines:
        print(f"study {study}: nothing comes from upstream")
        return
    needed = sum(line.bytes for line in lines)
    free = shutil.disk_usage(RESULTS if RESULTS.exists() else Path()).free
    print(
        f"study {study}: {len(lines)} from upstream, {in_units(needed)} to fetch,"
        f" {in_units(free)} free"
    )
    for line in lines:
        print(_text(line))
    problems = [line.problem for line in lines if line.problem]
    if needed > free - SPARE_BYTES:
        problems.append(
            f"{in_units(needed)} are to be fetched, but {in_units(free)} are free on"
            " the disk of results/: free some"
        )
    if problems:
        told = "\n".join(f"  {problem}" for problem in problems)
        raise SourceError(
            f"study {study}: {len(problems)} missing; nothing was fetched\n{told}"
        )


def in_units(count: int) -> str:
    """Return a number of bytes as people say it."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _look(upstreams: Upstreams, item: Item) -> Line:
    what = f"{item.kind} {item.name}"
    missing = [target for target in item.targets if not Path(target).exists()]
    if not missing:
        return Line(item, 0, "is there")
    if item.by_hand:
        problem = f"{what}: put {', '.join(missing)} there by hand"
        return Line(item, 0, "put by hand: missing", problem)
    size = sum(pin.bytes for pin in item.wanted.values())
    found = next(_problems(upstreams, item), None)
    if found is not None:
        return Line(item, size, "cannot be had, see below", found)
    return Line(item, size, "your token opens it" if item.entry.gated else "open")


def _problems(upstreams: Upstreams, item: Item) -> Iterator[str]:
    """Give what stands between a study and one upstream, first things first."""
    what = f"{item.kind} {item.name}"
    if item.unpinned:
        yield f"{what}: not pinned: safegrid pin --names {item.name}"
    for file in item.files or (None,):
        for path in upstreams.local(item.kind, item.name, file):
            if not Path(path).exists():
                yield f"{what}: {path} is not there; see `path` and sources_dir"
            elif item.kind != "source":
                yield from _code(what, Path(path))
    if item.entry.is_code and not confirmed(upstreams.spec(item.kind, item.name)):
        yield (
            f"{what}: comes with Python files that run as you when it is loaded; read"
            f" them upstream, and if you trust them set {REMOTE_CODE}={item.name}"
        )
    here = bool(item.files) and all(
        upstreams.local(item.kind, item.name, file) for file in item.files
    )
    if item.entry.hub is not None and not here:
        try:
            repo = repo_type(item.kind, item.entry.is_code)
            with in_words(what, repo, item.name, item.entry.hub):
                check_access(repo, item.entry.hub)
        except SourceError as error:
            yield str(error)


def _code(what: str, folder: Path) -> Iterator[str]:
    try:
        check_code(folder)
    except DataError as error:
        yield f"{what}: {error}"


def _text(line: Line) -> str:
    entry = line.item.entry
    size = in_units(line.bytes) if line.bytes else "-"
    gate = "gated" if entry.gated else "no gate"
    where = entry.address or "by hand"
    return "  " + "  ".join(
        [
            f"{line.item.kind:6} {line.item.name:28}",
            f"{size:>9}",
            f"{entry.licence or 'no licence stated'}",
            f"{where}, {gate}: {line.state}",
        ]
    )
