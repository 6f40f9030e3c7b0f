"""Origins of a spec's files: a folder of the user's, a wheel, the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from safegrid.config.lock import FetchSpec, FilePin
from safegrid.core.errors import SourceError
from safegrid.fetch.download import copy, download
from safegrid.fetch.hub import address, in_words, repo_type
from safegrid.fetch.wheel import wheel_of

Bring = Callable[[str, Path, FilePin | None, str], None]
"""Bring a file, by its name upstream, to its place as it was pinned; and what it is."""


@contextmanager
def origin(
    spec: FetchSpec, local: Path | None, target: Path, what: str
) -> Iterator[Bring]:
    """Give what brings the files of a spec.

    Args:
        spec: where from.
        local: the user's own folder, where they come from one.
        target: what they are brought for.
        what: begins the sentences of errors.
    """
    if local is not None:
        yield partial(_copied, local)
    elif spec.wheel is not None:
        with wheel_of(spec, target, what) as members:
            yield partial(_pinned, spec, members.take)
    else:
        yield partial(_pinned, spec, partial(_downloaded, spec))


def unpinned(spec: FetchSpec, what: str) -> SourceError:
    """Return the error of a spec that the lock does not hold."""
    return SourceError(
        f"{what} is not pinned, and a moving name is not fetched; where there is a"
        f" network: safegrid pin --names {spec.name}"
    )


def _copied(
    folder: Path, file: str, target: Path, pin: FilePin | None, what: str
) -> None:
    copy(folder / file, target, pin, what)


def _pinned(
    spec: FetchSpec,
    bring: Callable[[str, Path, FilePin, str], None],
    file: str,
    target: Path,
    pin: FilePin | None,
    what: str,
) -> None:
    if pin is None:
        raise unpinned(spec, what)
    bring(file, target, pin, what)


def _downloaded(
    spec: FetchSpec, file: str, target: Path, pin: FilePin, what: str
) -> None:
    repo = repo_type(spec.kind, spec.remote_code)
    with in_words(what, repo, spec.name, spec.hub):
        download(address(spec, file), target, pin, what)
