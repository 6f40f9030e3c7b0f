"""Files that a study needs: from the network, from folders of the user's, by hand."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from safegrid.core.consent import REMOTE_CODE, names_of
from safegrid.study import Study
from safegrid.study.gathered import searched_by, suite_results
from safegrid.study.prerequisites.prerequisite import Prerequisite, State, in_units
from safegrid.study.upstreams import UpstreamItem, Upstreams

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE")
MIRROR = "HF_ENDPOINT"
LOCK = "config/sources.lock.yaml"


def of_files(
    upstreams: Upstreams,
    environment: Mapping[str, str],
    is_there: Callable[[str], bool],
) -> Iterator[Prerequisite]:
    """Give what a study takes from upstream, and the token and consent for it."""
    wanted = []
    for item in upstreams.items:
        missing = [target for target in item.targets if not is_there(target)]
        if item.by_hand:
            yield _by_hand(item, missing)
        elif item.entry.path or (item.entry.mirror and all(_own_files(item))):
            yield _own(item, bool(missing))
        else:
            yield _network(item, bool(missing))
            wanted += [item] * bool(missing)
    if unpinned := [item.name for item in wanted if item.unpinned]:
        says = f"pins of {', '.join(dict.fromkeys(unpinned))}: a moving name is not"
        remedy = (
            f"Where there is a network: safegrid pin --study {upstreams.study.name}"
        )
        yield Prerequisite("files", LOCK, f"{says} fetched", (), "missing", remedy)
    if gated := [item for item in wanted if item.entry.gated]:
        yield _token(gated, environment)
    yield from _code(upstreams, environment, is_there)
    yield from _shipped_tasks(upstreams.study, is_there)


def _by_hand(item: UpstreamItem, missing: list[str]) -> Prerequisite:
    says, remedy = ", ".join(item.targets), ""
    state: State = "met"
    if missing:
        says, state = "by hand", "missing"
        remedy = f"Put {', '.join(missing)} there by hand"
    return Prerequisite("files", item.label, says, item.asked_by, state, remedy)


def _own_files(item: UpstreamItem) -> list[list[str]]:
    """Return where the user's own copies lie, of each file; of a model, its folder."""
    return [item.local(file) for file in item.files or (None,)]


def _own(item: UpstreamItem, wanted: bool) -> Prerequisite:
    folder = str(item.entry.path or item.entry.mirror)
    says, remedy = f"{folder} in a folder of yours", ""
    if item.sources_dir:
        says = str(Path(item.sources_dir, folder))
    if wanted and not item.sources_dir:
        remedy = "Say which, with --config sources_dir=FOLDER (make: SOURCES_DIR)"
    elif wanted:
        paths = [path for found in _own_files(item) for path in found]
        if lost := [path for path in paths if not Path(path).exists()]:
            remedy = f"{', '.join(lost)} is not there; see `path` and sources_dir"
    state: State = "missing" if remedy else "met"
    return Prerequisite("files", item.label, says, item.asked_by, state, remedy)


def _network(item: UpstreamItem, wanted: bool) -> Prerequisite:
    size, url = sum(pin.bytes for pin in item.wanted.values()), item.entry.url
    says = [
        in_units(size) if size else "not pinned",
        str(item.entry.licence),
        str(item.entry.address) if url is None else str(urlsplit(url).hostname),
        *(["gated"] if item.entry.gated else []),
        *(["to be fetched"] if wanted else []),
    ]
    state: State = "open" if wanted else "met"
    return Prerequisite("network", item.label, ", ".join(says), item.asked_by, state)


def _keys_of(items: list[UpstreamItem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for item in items for key in item.asked_by))


def _token(gated: list[UpstreamItem], environment: Mapping[str, str]) -> Prerequisite:
    """Return the token that opens gated repositories; a mirror may ask for none.

    Right or wrong: none is tried.
    """
    from huggingface_hub.constants import HF_TOKEN_PATH

    says = f"opens gated repositories: {', '.join(item.name for item in gated)}"
    named = any(environment.get(name) for name in TOKENS)
    if named or Path(HF_TOKEN_PATH).is_file():
        return Prerequisite("variable", TOKENS[0], says, _keys_of(gated), "met")
    state: State = "open" if environment.get(MIRROR) else "missing"
    remedy = (
        "Accept their terms with your account, make a token that may read, and set"
        f" {TOKENS[0]} to it"
    )
    return Prerequisite("variable", TOKENS[0], says, _keys_of(gated), state, remedy)


def _code(
    upstreams: Upstreams,
    environment: Mapping[str, str],
    is_there: Callable[[str], bool],
) -> Iterator[Prerequisite]:
    """Give the consent that lets Python files from upstream be fetched and run."""
    items = [item for item in upstreams.items if item.entry.is_code]
    if not items:
        return
    refused = [i for i in items if i.name not in names_of(REMOTE_CODE, environment)]
    needed = [
        file
        for item in refused
        for file in (*item.targets, *searched_by(upstreams.study, item.name))
    ]
    names = ",".join(dict.fromkeys(item.name for item in items))
    places = (item.entry.address or "files put by hand" for item in items)
    says = f"{names}: Python files from {', '.join(places)} run as you"
    state: State = "done" if refused else "met"
    remedy = ""
    if not all(map(is_there, needed)):
        state = "missing"
        remedy = f"Read them, and if you trust them set {REMOTE_CODE}={names}"
    yield Prerequisite("consent", REMOTE_CODE, says, _keys_of(items), state, remedy)


def _shipped_tasks(
    study: Study, is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Give tasks whose rows lm-evaluation-harness takes from the cache of `datasets`.

    Names of a suite with task files of a source cannot be told apart from them here.
    """
    says = "in the cache of `datasets` where the job runs: jobs ask no hub"
    for suite, spec in study.suites.items():
        names = [name for name in spec.tasks if name not in study.config.tasks]
        if spec.task_source is None and names:
            done = all(map(is_there, suite_results(study, suite)))
            state: State = "done" if done else "open"
            asked, rows = (f"benchmarks.{suite}.tasks",), f"rows of {', '.join(names)}"
            yield Prerequisite("files", rows, says, asked, state)
