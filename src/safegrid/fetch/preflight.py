"""Pre-flight check of everything that a study needs from outside."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.config.options import own_folder
from safegrid.core.errors import DataError, SourceError
from safegrid.models.pretrained import check_code
from safegrid.study import Study
from safegrid.study.prerequisites import (
    Prerequisite,
    is_file_there,
    listed,
    prerequisites,
    refusal,
)
from safegrid.study.prerequisites.prerequisite import in_units
from safegrid.study.upstreams import UpstreamItem, Upstreams

CONFIG = Path("config")
RESULTS = Path("results")
AT_ONCE = 8


def preflight(
    study: Name,
    sources_dir: str | None = None,
    planned: Path | None = None,
    config: Path = CONFIG,
) -> None:
    """List everything that a study needs, or say in one message what is missing.

    Args:
        study: a file of config/studies.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        planned: the files that a run is about to make, a line each; without it those
            that are not there.
        config: folder of the studies and registries.
    """
    folder = own_folder(sources_dir, config)
    upstreams = Upstreams(Study(load_config(config, study), folder))
    made = None if planned is None else planned.read_text("utf-8").splitlines()

    def is_there(file: str) -> bool:
        return is_file_there(file) if made is None else file not in made

    found = prerequisites(upstreams, os.environ, is_there)
    if not found:
        print(f"study {study}: needs nothing from outside")
        return
    found = list(_own_models(found, upstreams, is_there))
    # What comes over the network and lacks nothing else.
    names = {p.name for p in found if (p.kind, p.state) == ("network", "open")}
    fetched = [item for item in upstreams.items if item.label in names]
    found = [*_asked(found, fetched), *_disk(fetched)]
    rest = [one for one in found if one.state != "missing"]
    print(f"study {study} needs from outside:\n{listed(rest) or '  see below'}")
    sys.stdout.flush()
    if problem := refusal(study, found):
        raise SourceError(problem)


def _own_models(
    found: list[Prerequisite], upstreams: Upstreams, is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Look into the user's folders of models that nothing here would load."""
    folders = {
        item.label: item
        for item in upstreams.fetched
        if item.kind != "source"
        and item.entry.path is not None
        and upstreams.study.sources_dir
        and not all(map(is_there, item.targets))
    }
    for one in found:
        try:
            if one.state == "met" and one.name in folders:
                _check_own(folders[one.name])
            yield one
        except DataError as error:
            yield replace(one, state="missing", remedy=str(error))


def _check_own(item: UpstreamItem) -> None:
    folder = Path(item.local()[0])
    if item.gguf is None:
        check_code(folder)
        return
    # Not before there is one to look into: it takes seconds to load what reads it.
    from safegrid.models.gguf_files import check_gguf

    check_gguf(folder / item.gguf)


def _asked(
    found: list[Prerequisite], fetched: list[UpstreamItem]
) -> Iterator[Prerequisite]:
    """Ask the network for what is to be fetched; the others as they are."""
    items = {item.label: item for item in fetched}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = dict(zip(items, pool.map(obstacle, items.values()), strict=True))
    for one in found:
        if told.get(one.name) is not None:
            yield replace(one, state="missing", remedy=str(told[one.name]))
        elif one.name in items and items[one.name].entry.gated:
            yield replace(one, says=f"{one.says}, and open to you")
        else:
            yield one


def obstacle(item: UpstreamItem) -> str | None:
    """Say why an item that is fetched cannot be had; None where it can."""
    # Not before something is to be fetched: the client of the hub takes its time.
    from safegrid.fetch.hub import api, check_file, in_words, page_of, repo_type
    from safegrid.fetch.wheel import check_offered

    what, entry = item.label, item.entry
    repo = repo_type(item.kind, entry.is_code)
    try:
        if entry.wheel is not None and item.pin is not None:
            check_offered(entry.wheel, str(item.pin.revision), what)
        with in_words(what, item.name, page_of(repo, entry.hub)):
            if entry.hub is not None:
                api().auth_check(entry.hub, repo_type=repo)
            for file in () if entry.url is None else item.files:
                check_file(str(entry.url), file)
    except SourceError as error:
        return str(error).removeprefix(f"{what}: ")
    return None


def _disk(fetched: list[UpstreamItem]) -> Iterator[Prerequisite]:
    """Give the disk space that is needed for what is to be fetched."""
    needed = sum(pin.bytes for item in fetched for pin in item.wanted.values())
    if not needed:
        return
    from safegrid.fetch.download import SPARE_BYTES

    free = shutil.disk_usage(RESULTS if RESULTS.exists() else Path()).free
    says = f"{in_units(needed)} to be fetched, {in_units(free)} free"
    met = Prerequisite("disk", "results/", says, (), "met")
    fits = needed <= free - SPARE_BYTES
    yield met if fits else replace(met, state="missing", remedy="Free some")
