"""The Hugging Face hub and plain addresses: where a file is, and refusals in words.

The client library is asked for what it knows of the hub. Its own texts and those of a
server are not repeated to the user: they may hold signed addresses.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import HfApi, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import DatasetInfo, ModelInfo

from safegrid.config.lock import FetchSpec, Kind
from safegrid.core.errors import ClosedError, SourceError
from safegrid.fetch.choose import INDEX, PICKLES, WEIGHTS

log = logging.getLogger(__name__)

HUB = "https://huggingface.co"
# The hub's own bot opens pull requests with the weights of pickles as safetensors.
BOT = "SFconvertbot"
SECONDS = 10.0
RepoType = Literal["dataset", "model"]
Info = ModelInfo | DatasetInfo


def endpoint() -> str:
    """Return the hub that is asked: Hugging Face's own, or a mirror of it."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def api() -> HfApi:
    """Return the hub's client, with the user's token or nobody's."""
    return HfApi(endpoint=endpoint(), token=get_token() or False)


def repo_type(kind: Kind, is_code: bool) -> RepoType:
    """Return what a hub's repository is; code of a search lies where models do."""
    return "dataset" if kind == "source" and not is_code else "model"


def page_of(repo: RepoType, hub: str | None) -> str | None:
    """Return the address of a repository's page, where terms are accepted."""
    return hub and f"{endpoint()}/{'datasets/' if repo == 'dataset' else ''}{hub}"


def address(spec: FetchSpec, file: str) -> tuple[str, dict[str, str]]:
    """Return a file's address at its pinned revision, and the headers to ask with.

    A token goes to the hub only.
    """
    # A file that is packed on its way has another size than the one that is pinned.
    headers = {"accept-encoding": "identity"}
    if spec.hub is None:
        return f"{str(spec.url).rstrip('/')}/{quote(file)}", headers
    if token := get_token():
        headers["authorization"] = f"Bearer {token}"
    repo = repo_type(spec.kind, spec.remote_code)
    place = {"repo_type": repo, "revision": spec.revision, "endpoint": endpoint()}
    return hf_hub_url(spec.hub, file, **place), headers


def repository(repo: RepoType, hub: str, ref: str | None) -> Info:
    """Return a repository's commit and files with their sizes and hashes."""
    info = api().repo_info(hub, repo_type=repo, revision=ref, files_metadata=True)
    assert isinstance(info, Info), "what was asked for is answered"
    return info


def safe_weights(what: str, hub: str, info: Info) -> Info:
    """Return a model's repository at the commit that holds safetensors.

    That is the hub's own bot's where `info`, as its authors left it, holds pickles
    alone, and the bot made its commit from these very pickles.
    """
    pickled = _pickles(info)
    if not pickled or _has_safetensors(info):
        return info
    for offer in api().get_repo_discussions(
        hub, author=BOT, discussion_type="pull_request", discussion_status="open"
    ):
        found = repository("model", hub, offer.git_reference)
        same = offer.author == BOT and _pickles(found) == pickled
        if same and _has_safetensors(found):
            log.warning(
                "%s: its authors left pickles only, which are not fetched; pinned as %s"
                " of the hub has converted them: commit %s, %s",
                *(what, BOT, found.sha, offer.url),
            )
            return found
    return info


def check_file(url: str, file: str) -> None:
    """Ask an address whether it has a file, or raise that it has not.

    A server that answers such questions with other refusals may still give the file.
    """
    where = f"{url.rstrip('/')}/{quote(file)}"
    answer = httpx2.head(where, follow_redirects=True, timeout=SECONDS)
    if answer.status_code in (404, 410):
        host = urlsplit(where).hostname
        raise SourceError(f"{host} has no {file} (HTTP status {answer.status_code})")


@contextmanager
def in_words(what: str, name: str, page: str | None) -> Iterator[None]:
    """Turn what the client library raises into one sentence that says what to do.

    It begins with `what`; `name` is the entry of the registry, `page` its repository's,
    for a ClosedError where that is gated, private or not there.
    """
    try:
        yield
    except OfflineModeIsEnabled:
        reason = (
            "HF_HUB_OFFLINE is set, so nothing can be fetched; unset it where there is"
            " a network"
        )
    except RevisionNotFoundError:
        reason = (
            f"{page} has no such revision (any more); pin it anew:"
            f" safegrid pin --names {name}"
        )
    except RemoteEntryNotFoundError:
        reason = (
            f"{page} has no such file; look there for its name, correct the registry,"
            f" and pin it anew: safegrid pin --names {name}"
        )
    except HfHubHTTPError as error:
        status, url = error.response.status_code, str(error.response.url)
        missing = isinstance(error, RepositoryNotFoundError)
        if page is not None and (missing or status in (401, 403)):
            raise ClosedError(what, page, _closed(error, status)) from None
        reason = f"{urlsplit(url).hostname} answered with HTTP status {status}"
    except httpx2.RequestError as error:
        host = urlsplit(str(error.request.url)).hostname
        reason = (
            f"{host} cannot be reached ({type(error).__name__}), or broke off; what"
            " was received is kept: try again where there is a network"
        )
    else:
        return
    # The cause would print addresses: `from None` leaves it out.
    raise SourceError(f"{what}: {reason}") from None


def _closed(error: HfHubHTTPError, status: int) -> str:
    """Say why a repository does not open: no token, a bad one, terms, or no such."""
    if get_token() is None:
        return (
            "is gated or private, or is not there, and no token was given; accept its"
            " terms there with your account, make a token that may read, and set"
            " HF_TOKEN to it"
        )
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            "is gated and your token does not open it: accept its terms there with the"
            " account that the token belongs to, and see that the token may read gated"
            " repositories"
        )
    if status == 401:
        return (
            "does not accept your token: it has expired or is mistyped; make a new one"
            " and set HF_TOKEN to it"
        )
    return "is not there, or is private and your token does not open it"


def _has_safetensors(info: Info) -> bool:
    return any(file.rfilename in (INDEX, WEIGHTS) for file in info.siblings or [])


def _pickles(info: Info) -> dict[str, str]:
    """Return the hash of each large file that would be read as a pickle."""
    return {
        file.rfilename: file.lfs.sha256
        for file in info.siblings or []
        if file.lfs and any(fnmatchcase(file.rfilename, p) for p in PICKLES)
    }
