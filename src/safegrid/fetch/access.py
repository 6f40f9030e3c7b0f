"""Access to what is to be fetched, asked of its host: reachable, there, open."""

from collections.abc import Sequence

from safegrid.core.errors import ClosedError, SourceError
from safegrid.fetch.hub import check_access, check_file, in_words, repo_type
from safegrid.fetch.wheel import check_offered
from safegrid.study.prerequisites.files import name_of
from safegrid.study.upstreams import Item


def obstacle(item: Item) -> str | None:
    """Say why an item that is fetched cannot be had; None where it can."""
    what, entry = name_of(item), item.entry
    repo = repo_type(item.kind, entry.is_code)
    try:
        if entry.wheel is not None and item.pin is not None:
            check_offered(entry.wheel, str(item.pin.revision), what)
        with in_words(what, repo, item.name, entry.hub):
            if entry.hub is not None:
                check_access(repo, entry.hub)
            for file in () if entry.url is None else item.files:
                check_file(str(entry.url), file)
    except SourceError as error:
        return str(error).removeprefix(f"{what}: ")
    return None


def told(problems: Sequence[SourceError]) -> str:
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
