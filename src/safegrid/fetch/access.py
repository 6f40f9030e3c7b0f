"""Access to what is to be fetched, asked of its host: reachable, there, open."""

from safegrid.errors import SourceError
from safegrid.fetch.hub import check_access, check_file, in_words, repo_type
from safegrid.fetch.wheel import check_offered
from safegrid.prerequisites.files import name_of
from safegrid.upstreams import Item


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
