"""Upstream files of a study: which, from where, pinned to what.

Like `safegrid.study` it is asked while planning: nothing here touches the network, and
of the disk only whether a mirror holds a file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safegrid.config.lock import FetchSpec, FilePin, Kind, Pin, pin_of
from safegrid.config.upstream import ModelUpstream, Upstream
from safegrid.core.errors import ConfigError
from safegrid.study import Study
from safegrid.study.asked import (
    asked_bases,
    asked_encoders,
    asked_files,
    asked_judges,
)

# The folder of each kind's results.
FOLDERS: dict[Kind, str] = {
    "source": "results/raw",
    "base": "results/bases",
    "judge": "results/judges",
    "encoder": "results/encoders",
}
# The folder of the files that models are converted from.
GGUF = "results/gguf"


def check_sources_dir(sources_dir: object) -> None:
    """Refuse a folder of the user's that Snakemake would take for something else.

    Raises:
        ConfigError: it is no text once it was read as YAML, or will not be the same.
    """
    plain = isinstance(sources_dir, str) and not re.search(r"[{}\n]|\s#", sources_dir)
    if sources_dir is not None and not plain:
        raise ConfigError(
            f"sources_dir: Snakemake takes {sources_dir!r} for no folder, as it reads"
            " it as YAML (a number, `: `, ` #`) and braces as wildcards; give the"
            " folder another name, or a link to it that has one"
        )


@dataclass(frozen=True)
class Item:
    """A source, base, judge or encoder that a study uses and that no world builds.

    Attributes:
        files: of a source: the paths that the study asks for.
        asked_by: the keys of the configuration that ask for it.
        pin: null where the lock does not hold it.
    """

    kind: Kind
    name: str
    entry: Upstream
    files: tuple[str, ...]
    asked_by: tuple[str, ...]
    pin: Pin | None

    @property
    def by_hand(self) -> bool:
        """Whether its files are put there by hand."""
        return self.entry.place is None

    @property
    def unpinned(self) -> bool:
        """Whether it must be pinned before it is fetched; a folder's need not."""
        return self.pin is None and self.entry.is_remote

    @property
    def targets(self) -> list[str]:
        """Where fetching puts its files, or its folder."""
        if self.gguf:
            return [f"{GGUF}/{self.model}"]
        folder = f"{FOLDERS[self.kind]}/{self.name}"
        if self.kind != "source":
            return [folder]
        return [f"{folder}/{file}" for file in self.files]

    @property
    def gguf(self) -> str | None:
        """The one file of a model that is converted once it is here."""
        return self.entry.gguf if isinstance(self.entry, ModelUpstream) else None

    @property
    def model(self) -> str:
        """The folder of a model below `results`."""
        return f"{FOLDERS[self.kind]}/{self.name}".removeprefix("results/")

    @property
    def wanted(self) -> dict[str, FilePin]:
        """The pinned files that the study asks for; of a model all."""
        if self.pin is None:
            return {}
        names = self.files or tuple(self.pin.files)
        return {name: self.pin.files[name] for name in names}


class Upstreams:
    """What a study uses from upstream, asked by the workflow for params and inputs."""

    def __init__(self, study: Study, sources_dir: str | None) -> None:
        """Look at what a study uses.

        Raises:
            ConfigError: `sources_dir` is no folder to Snakemake.
        """
        check_sources_dir(sources_dir)
        self._study = study
        self.sources_dir = sources_dir

    @cached_property
    def items(self) -> list[Item]:
        """Everything that the study uses and no world builds."""
        config = self._study.config
        bases = _gathered(asked_bases(self._study))
        judges = _gathered(asked_judges(self._study))
        encoders = _gathered(asked_encoders(self._study))
        files = asked_files(self._study)
        sources = _gathered((source, key) for source, _, key in files)
        paths: dict[str, set[str]] = {}
        for source, file, _ in files:
            paths.setdefault(source, set()).add(config.sources[source].files[file])
        found = [
            *(self._item("base", n, config.bases[n], k) for n, k in bases.items()),
            *(self._item("judge", n, config.judges[n], k) for n, k in judges.items()),
            *(
                self._item("encoder", n, config.encoders[n], k)
                for n, k in encoders.items()
            ),
            *(
                self._item("source", n, config.sources[n], k, paths[n])
                for n, k in sorted(sources.items())
            ),
        ]
        return [item for item in found if item.entry.world is None]

    @property
    def unpinned(self) -> set[tuple[Kind, str]]:
        """Kind and name of the items that must be pinned before they are fetched."""
        return {(item.kind, item.name) for item in self.items if item.unpinned}

    def homeless(self) -> str | None:
        """Say what lies below `sources_dir` if that was not given, or None."""
        names = [item.name for item in self.items if item.entry.path]
        if self.sources_dir or not names:
            return None
        return (
            f"study {self._study.name!r} takes {', '.join(names)} from a folder of"
            " yours: say which, with --config sources_dir=FOLDER"
        )

    @property
    def fetched(self) -> list[Item]:
        """The items that a rule fetches."""
        return [item for item in self.items if not item.by_hand]

    def names(self, kind: Kind) -> list[str]:
        """The names of one kind that a rule fetches to where they stay."""
        return [i.name for i in self.fetched if i.kind == kind and not i.gguf]

    @property
    def converted(self) -> list[str]:
        """The folders of models below `results` that are converted from one file."""
        return [item.model for item in self.fetched if item.gguf]

    def gguf_block(self, model: str) -> str:
        """What the rule fetches that such a model is converted from."""
        item = self._converted(model)
        return self.block(item.kind, item.name)

    def gguf_local(self, model: str) -> list[str]:
        """The user's own folder that holds the file; empty where it is fetched."""
        item = self._converted(model)
        return self.local(item.kind, item.name)

    def gguf_file(self, model: str) -> str:
        """The file in that folder that it is converted from."""
        return str(self._converted(model).gguf)

    def gguf_template(self, model: str) -> str:
        """The chat template that it is given where it has none; empty for none."""
        item = self._converted(model)
        return self.spec(item.kind, item.name).template or ""

    def _converted(self, model: str) -> Item:
        return next(i for i in self.fetched if i.gguf and i.model == model)

    @property
    def source_files(self) -> list[str]:
        """The paths of all files of sources that a rule fetches."""
        return sorted({f for item in self.fetched for f in item.files})

    def spec(self, kind: Kind, name: str, file: str | None = None) -> FetchSpec:
        """Return what a rule fetches: one file of a source, or a model's folder."""
        item = self._fetched(kind, name)
        wanted = item.wanted
        if file is not None:
            wanted = {n: pin for n, pin in wanted.items() if n == file}
        entry, pin = item.entry, item.pin
        template = entry.template if isinstance(entry, ModelUpstream) else None
        return FetchSpec(
            kind=kind,
            name=name,
            hub=entry.hub,
            wheel=entry.wheel,
            folder=entry.folder,
            url=entry.url,
            path=entry.path,
            gguf=item.gguf,
            revision=pin.revision if pin else None,
            remote_code=entry.is_code,
            files=wanted,
            template=self._study.config.templates[template] if template else None,
        )

    def block(self, kind: Kind, name: str, file: str | None = None) -> str:
        """Return the same as the rule's job is given it."""
        return self.spec(kind, name, file).model_dump_json(exclude_none=True)

    def local(self, kind: Kind, name: str, file: str | None = None) -> list[str]:
        """The user's own file or folder behind a target; empty for all else.

        A folder of theirs must hold it, a mirror may, and stands in for nothing but
        pinned bytes.
        """
        item = self._fetched(kind, name)
        if item.entry.path is not None:
            assert self.sources_dir, "a run without it has ended (see `homeless`)"
            return [str(Path(self.sources_dir, item.entry.path, file or ""))]
        if None in (item.entry.mirror, item.pin, self.sources_dir, file):
            return []
        copy = Path(str(self.sources_dir), str(item.entry.mirror), str(file))
        return [str(copy)] if copy.is_file() else []

    def _fetched(self, kind: Kind, name: str) -> Item:
        return next(i for i in self.fetched if (i.kind, i.name) == (kind, name))

    def _item(
        self,
        kind: Kind,
        name: str,
        entry: Upstream,
        asked_by: Iterable[str],
        files: Iterable[str] = (),
    ) -> Item:
        wanted, pins = tuple(sorted(files)), self._study.config.lock.of(kind)
        pin = pin_of(pins, name, entry, frozenset(wanted))
        return Item(kind, name, entry, wanted, tuple(asked_by), pin)


def _gathered(asked: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the keys that ask for each name, without repetition."""
    found: dict[str, dict[str, None]] = {}
    for name, key in asked:
        found.setdefault(name, {})[key] = None
    return {name: list(keys) for name, keys in found.items()}
