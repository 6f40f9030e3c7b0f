"""The Hugging Face hub and plain addresses: where a file is, and refusals in words.

The client library is asked for what it knows of the hub. Its own texts and those of a
server are not repeated to the user: they may hold signed addresses.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple
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

HUB = "https://huggingface.co"
SECONDS = 10.0
RepoType = Literal["dataset", "model"]


class Address(NamedTuple):
    """Where a file is, and what is sent along when it is asked for."""

    url: str
    headers: dict[str, str]


def endpoint() -> str:
    """Return the hub that is asked: Hugging Face's own, or a mirror of it."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def repo_type(kind: Kind, is_code: bool) -> RepoType:
    """Return what a hub's repository is, by the registry that names it.

    Code of a search lies where models do.
    """
    return "dataset" if kind == "source" and not is_code else "model"


def address(spec: FetchSpec, file: str) -> Address:
    """Return a file's address at its pinned revision; a token goes to the hub only."""
    # A file that is packed on its way has another size than the one that is pinned.
    headers = {"accept-encoding": "identity"}
    if spec.url is not None:
        return Address(f"{spec.url.rstrip('/')}/{quote(file)}", headers)
    assert spec.hub is not None, "a file is asked for at the hub or at an address"
    token = get_token()
    if token:
        headers["authorization"] = f"Bearer {token}"
    url = hf_hub_url(
        spec.hub,
        file,
        repo_type=repo_type(spec.kind, spec.remote_code),
        revision=spec.revision,
        endpoint=endpoint(),
    )
    return Address(url, headers)


def repository(repo: RepoType, hub: str, ref: str | None) -> ModelInfo | DatasetInfo:
    """Return a repository's commit and files with their sizes and hashes."""
    api = HfApi(endpoint=endpoint(), token=get_token() or False)
    info = api.repo_info(hub, repo_type=repo, revision=ref, files_metadata=True)
    assert isinstance(info, ModelInfo | DatasetInfo), "what was asked for is answered"
    return info


def check_access(repo: RepoType, hub: str) -> None:
    """Ask whether the token, or nobody's, opens a repository's files."""
    api = HfApi(endpoint=endpoint(), token=get_token() or False)
    api.auth_check(hub, repo_type=repo)


def check_file(url: str, file: str) -> None:
    """Ask an address whether it can be reached and has a file; its bytes stay there.

    A server that answers such questions with other refusals may still give the file.

    Raises:
        SourceError: the file is not there.
    """
    address = f"{url.rstrip('/')}/{quote(file)}"
    answer = httpx2.head(address, follow_redirects=True, timeout=SECONDS)
    if answer.status_code in (404, 410):
        host = urlsplit(address).hostname
        raise SourceError(f"{host} has no {file} (HTTP status {answer.status_code})")


@contextmanager
def in_words(what: str, repo: RepoType, name: str, hub: str | None) -> Iterator[None]:
    """Turn what the client library raises into one sentence that says what to do.

    Raises:
        ClosedError: the repository is gated, private or not there.
        SourceError: anything else; both begin with `what`.
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
            f"{_page(repo, hub)} has no such revision (any more); pin it anew:"
            f" safegrid pin --names {name}"
        )
    except RemoteEntryNotFoundError:
        reason = (
            f"{_page(repo, hub)} has no such file; look there for its name, correct"
            f" the registry, and pin it anew: safegrid pin --names {name}"
        )
    except RepositoryNotFoundError as error:
        raise ClosedError(what, _page(repo, hub), _closed(error)) from None
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403) and hub:
            raise ClosedError(what, _page(repo, hub), _closed(error)) from None
        reason = _refused(error)
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


def _closed(error: HfHubHTTPError) -> str:
    """Say why a repository does not open: no token, a bad one, terms, or no such."""
    status = error.response.status_code
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


def _refused(error: HfHubHTTPError) -> str:
    host = urlsplit(str(error.response.url)).hostname
    return f"{host} answered with HTTP status {error.response.status_code}"


def _page(repo: RepoType, hub: str | None) -> str:
    """Return the address of a repository's page, where terms are accepted."""
    return f"{endpoint()}/{'datasets/' if repo == 'dataset' else ''}{hub}"
