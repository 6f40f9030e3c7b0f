"""Upstream files of a study: which, from where, pinned to what.

Like `safegrid.study` it is asked while planning: nothing here touches the network, and
of the disk only whether a mirror holds a file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from safegrid.config.lock import FetchSpec, FilePin, Kind, Pin, pin_of
from safegrid.config.upstream import ModelUpstream, Upstream
from safegrid.core.errors import ConfigError
from safegrid.study import Study
from safegrid.study.asked import Asked, asked

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
class UpstreamItem:
    """A source, base, judge or encoder that a study uses and that no world builds.

    Attributes:
        files: of a source: the paths that the study asks for.
        asked_by: the keys of the configuration that ask for it.
        pin: null where the lock does not hold it.
        template: text of the chat template that a model is given.
        sources_dir: the user's own folder, if it was given.
    """

    kind: Kind
    name: str
    entry: Upstream
    files: tuple[str, ...]
    asked_by: tuple[str, ...]
    pin: Pin | None
    template: str | None = None
    sources_dir: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.kind} {self.name}"

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

    def spec(self, file: str | None = None) -> FetchSpec:
        """Return what a rule fetches: one file of a source, or a model's folder."""
        places = {"hub", "wheel", "folder", "url", "path", "gguf"}
        wanted = self.wanted.items()
        return FetchSpec(
            kind=self.kind,
            name=self.name,
            **self.entry.model_dump(include=places),
            revision=self.pin.revision if self.pin else None,
            remote_code=self.entry.is_code,
            files={name: pin for name, pin in wanted if file in (None, name)},
            template=self.template,
        )

    def block(self, file: str | None = None) -> str:
        """Return the same as the rule's job is given it."""
        return self.spec(file).model_dump_json(exclude_none=True)

    def local(self, file: str | None = None) -> list[str]:
        """Return the user's own file or folder behind a target; empty for all else.

        A folder of theirs must hold it, a mirror may, and stands in for nothing but
        pinned bytes.
        """
        if self.entry.path is not None:
            assert self.sources_dir, "a run without it has ended (see `homeless`)"
            return [str(Path(self.sources_dir, self.entry.path, file or ""))]
        if None in (self.entry.mirror, self.pin, self.sources_dir, file):
            return []
        copy = Path(str(self.sources_dir), str(self.entry.mirror), str(file))
        return [str(copy)] if copy.is_file() else []


class Upstreams:
    """What a study uses from upstream, which rules look into for params and inputs.

    Attributes:
        items: everything that the study uses and no world builds.
        fetched: those of them that a rule fetches.
        converted: of these the models that are converted from one file, by their
            folders below `results`.
    """

    def __init__(self, study: Study) -> None:
        """Look at what a study uses.

        Raises:
            ConfigError: its `sources_dir` is no folder to Snakemake.
        """
        check_sources_dir(study.sources_dir)
        self.study = study
        uses: dict[tuple[Kind, str], list[Asked]] = {}
        for use in asked(study):
            uses.setdefault((use.kind, use.name), []).append(use)
        found = [self._item(*names, these) for names, these in uses.items()]
        self.items = [item for item in found if item.entry.world is None]
        self.fetched = [item for item in self.items if not item.by_hand]
        self.converted = {item.model: item for item in self.fetched if item.gguf}

    def _item(self, kind: Kind, name: str, uses: list[Asked]) -> UpstreamItem:
        config = self.study.config
        entry: Upstream = getattr(config, f"{kind}s")[name]
        files = {config.sources[name].files[use.file] for use in uses if use.file}
        named = entry.template if isinstance(entry, ModelUpstream) else None
        return UpstreamItem(
            kind,
            name,
            entry,
            tuple(sorted(files)),
            tuple(dict.fromkeys(use.key for use in uses)),
            pin_of(config.lock.of(kind), name, entry, frozenset(files)),
            config.templates[named] if named else None,
            self.study.sources_dir,
        )

    def item(self, kind: Kind, name: str) -> UpstreamItem:
        """Return an item that a rule fetches."""
        return next(i for i in self.fetched if (i.kind, i.name) == (kind, name))

    def names(self, kind: Kind) -> list[str]:
        """Return the names of one kind that a rule fetches to where they stay."""
        return [i.name for i in self.fetched if i.kind == kind and not i.gguf]

    @property
    def source_files(self) -> list[str]:
        """The paths of all files of sources that a rule fetches."""
        return sorted({f for item in self.fetched for f in item.files})

    @property
    def unpinned(self) -> set[tuple[Kind, str]]:
        """Kind and name of the items that must be pinned before they are fetched."""
        return {(item.kind, item.name) for item in self.items if item.unpinned}

    def homeless(self) -> str | None:
        """Say what lies below `sources_dir` if that was not given, or None."""
        names = [item.name for item in self.items if item.entry.path]
        if self.study.sources_dir or not names:
            return None
        return (
            f"study {self.study.name!r} takes {', '.join(names)} from a folder of"
            " yours: say which, with --config sources_dir=FOLDER"
        )
