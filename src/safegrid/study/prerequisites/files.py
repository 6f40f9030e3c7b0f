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
    study: Study,
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
        elif item.entry.path is not None or _is_mirrored(item):
            yield _own(item, bool(missing))
        else:
            yield _network(item, bool(missing))
            wanted += [item] * bool(missing)
    if unpinned := [item.name for item in wanted if item.unpinned]:
        yield _lock(study.name, list(dict.fromkeys(unpinned)))
    if gated := [item for item in wanted if item.entry.gated]:
        yield _token(gated, environment)
    yield from _code(study, upstreams, environment, is_there)
    yield from _shipped_tasks(study, is_there)


def name_of(item: UpstreamItem) -> str:
    """Return what a prerequisite calls an item."""
    return f"{item.kind} {item.name}"


def _by_hand(item: UpstreamItem, missing: list[str]) -> Prerequisite:
    says = ", ".join(item.targets)
    if not missing:
        return Prerequisite("files", name_of(item), says, item.asked_by, "met")
    remedy = f"Put {', '.join(missing)} there by hand"
    return Prerequisite(
        "files", name_of(item), "by hand", item.asked_by, "missing", remedy
    )


def _is_mirrored(item: UpstreamItem) -> bool:
    """Say whether a folder of the user's holds copies of all files."""
    return item.entry.mirror is not None and all(_own_files(item))


def _own_files(item: UpstreamItem) -> list[list[str]]:
    files = item.files or (None,)
    return [item.local(file) for file in files]


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
    return Prerequisite("files", name_of(item), says, item.asked_by, state, remedy)


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
    return Prerequisite("network", name_of(item), ", ".join(says), item.asked_by, state)


def _lock(study: str, unpinned: list[str]) -> Prerequisite:
    says = f"pins of {', '.join(unpinned)}: a moving name is not fetched"
    remedy = f"Where there is a network: safegrid pin --study {study}"
    return Prerequisite("files", LOCK, says, (), "missing", remedy)


def _token(gated: list[UpstreamItem], environment: Mapping[str, str]) -> Prerequisite:
    """Return the token that opens gated repositories; a mirror may ask for none."""
    says = f"opens gated repositories: {', '.join(item.name for item in gated)}"
    asked = tuple(dict.fromkeys(key for item in gated for key in item.asked_by))
    if has_token(environment):
        return Prerequisite("variable", TOKENS[0], says, asked, "met")
    state: State = "open" if environment.get(MIRROR) else "missing"
    remedy = (
        "Accept their terms with your account, make a token that may read, and set"
        f" {TOKENS[0]} to it"
    )
    return Prerequisite("variable", TOKENS[0], says, asked, state, remedy)


def has_token(environment: Mapping[str, str]) -> bool:
    """Say whether there is a token of the hub, right or wrong; none is tried."""
    from huggingface_hub.constants import HF_TOKEN_PATH

    named = any(environment.get(name) for name in TOKENS)
    return named or Path(HF_TOKEN_PATH).is_file()


def _code(
    study: Study,
    upstreams: Upstreams,
    environment: Mapping[str, str],
    is_there: Callable[[str], bool],
) -> Iterator[Prerequisite]:
    """Give the consent that lets Python files from upstream be fetched and run."""
    items = [item for item in upstreams.items if item.entry.is_code]
    if not items:
        return
    allowed = names_of(REMOTE_CODE, environment)
    wanted = [
        item.name
        for item in items
        if item.name not in allowed
        and not all(map(is_there, [*item.targets, *searched_by(study, item.name)]))
    ]
    names = ",".join(dict.fromkeys(item.name for item in items))
    places = (item.entry.address or "files put by hand" for item in items)
    says = f"{names}: Python files from {', '.join(places)} run as you"
    asked = tuple(dict.fromkeys(key for item in items for key in item.asked_by))
    given = all(item.name in allowed for item in items)
    state: State = "missing" if wanted else "met" if given else "done"
    remedy = f"Read them, and if you trust them set {REMOTE_CODE}={names}"
    remedy *= bool(wanted)
    yield Prerequisite("consent", REMOTE_CODE, says, asked, state, remedy)


def _shipped_tasks(
    study: Study, is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Give tasks whose rows lm-evaluation-harness takes from the cache of `datasets`.

    Names of a suite with task files of a source cannot be told apart from them here.
    """
    for suite, spec in study.suites.items():
        names = [name for name in spec.tasks if name not in study.config.tasks]
        if spec.task_source is None and names:
            results = suite_results(study, suite)
            state: State = "done" if all(map(is_there, results)) else "open"
            yield Prerequisite(
                "files",
                f"rows of {', '.join(names)}",
                "in the cache of `datasets` where the job runs: jobs ask no hub",
                (f"benchmarks.{suite}.tasks",),
                state,
            )
