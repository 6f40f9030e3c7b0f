"""What a study takes from upstream: which files, from where, pinned to what.

Like `safegrid.study` it is asked while planning: nothing here touches the network, and
of the disk only whether a mirror holds a file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safegrid.config.lock import FetchSpec, FilePin, Kind, Pin, pin_of
from safegrid.config.study import JudgeEntry
from safegrid.config.upstream import ModelUpstream, Upstream
from safegrid.errors import ConfigError
from safegrid.study import Study

# The folder of each kind's results.
FOLDERS: dict[Kind, str] = {
    "source": "results/raw",
    "base": "results/bases",
    "judge": "results/judges",
}


def check_folder(sources_dir: object) -> None:
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
    """A source, base or judge that a study uses and that no world grows.

    Attributes:
        files: of a source: the paths that the study asks for.
        pin: null where the lock does not hold it.
    """

    kind: Kind
    name: str
    entry: Upstream
    files: tuple[str, ...]
    pin: Pin | None

    @property
    def by_hand(self) -> bool:
        """Whether its files are put there by hand."""
        return self.entry.place is None

    @property
    def unpinned(self) -> bool:
        """Whether it must be pinned before it is fetched; a folder's need not."""
        return self.pin is None and self.entry.place in ("hub", "url")

    @property
    def targets(self) -> list[str]:
        """Where its files, or its folder, lie in the end."""
        folder = f"{FOLDERS[self.kind]}/{self.name}"
        if self.kind != "source":
            return [folder]
        return [f"{folder}/{file}" for file in self.files]

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
            ConfigError: something lies below `sources_dir`, which was not given, or
                is no folder to Snakemake.
        """
        check_folder(sources_dir)
        self._study = study
        self._sources_dir = sources_dir
        homeless = [i.name for i in self.items if i.entry.path]
        if homeless and not sources_dir:
            raise ConfigError(
                f"study {study.name!r} takes {', '.join(homeless)} from a folder of"
                " yours: say which, with --config sources_dir=FOLDER"
            )

    @cached_property
    def items(self) -> list[Item]:
        """Everything that the study uses and no world grows."""
        config = self._study.config
        sources = self._source_files()
        bases = self._study.all_bases
        used = [j for j in self._study.judges if _has_folder(config.judges[j])]
        found = [
            *(self._item("base", n, config.bases[n]) for n in bases),
            *(self._item("judge", n, config.judges[n]) for n in used),
            *(
                self._item("source", n, config.sources[n], tuple(sorted(files)))
                for n, files in sorted(sources.items())
            ),
        ]
        return [item for item in found if item.entry.world is None]

    @property
    def fetched(self) -> list[Item]:
        """The items that a rule fetches."""
        return [item for item in self.items if not item.by_hand]

    def names(self, kind: Kind) -> list[str]:
        """The names of one kind that a rule fetches."""
        return [item.name for item in self.fetched if item.kind == kind]

    @property
    def source_files(self) -> list[str]:
        """The paths of all files of sources that a rule fetches."""
        return sorted({f for item in self.fetched for f in item.files})

    def unpinned(self) -> str | None:
        """One warning that lists what fetching would refuse, or None."""
        names = list(dict.fromkeys(i.name for i in self.items if i.unpinned))
        if not names:
            return None
        return (
            f"study {self._study.name!r} uses upstreams that are not pinned, which"
            f" fetching refuses: {', '.join(names)}; pin them once, where there is a"
            f" network: safegrid pin --names {' '.join(names)}"
        )

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
            url=entry.url,
            path=entry.path,
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
        item, root = self._fetched(kind, name), Path(self._sources_dir or "")
        if item.entry.path is not None:
            return [str(root / item.entry.path / (file or ""))]
        if None in (item.entry.mirror, item.pin, self._sources_dir, file):
            return []
        copy = root / str(item.entry.mirror) / str(file)
        return [str(copy)] if copy.is_file() else []

    def _fetched(self, kind: Kind, name: str) -> Item:
        return next(i for i in self.fetched if (i.kind, i.name) == (kind, name))

    def _item(
        self, kind: Kind, name: str, entry: Upstream, files: tuple[str, ...] = ()
    ) -> Item:
        pins = self._study.config.lock.of(kind)
        return Item(
            kind, name, entry, files, pin_of(pins, name, entry, frozenset(files))
        )

    def _source_files(self) -> dict[str, set[str]]:
        """The paths that the study asks for, by source."""
        found: dict[str, set[str]] = {}
        for source, file in self._asked():
            path = self._study.config.sources[source].files[file]
            found.setdefault(source, set()).add(path)
        return found

    def _asked(self) -> Iterator[tuple[str, str]]:
        """Source and short name of every raw file of the study."""
        config = self._study.config
        for base in self._study.all_bases:
            world = config.worlds.get(config.bases[base].world or "")
            for text in world.text.files if world and world.text else ():
                yield text.source, text.file
        for dataset in config.study.datasets.values():
            for part in dataset.rows_from:
                yield part.source, part.file
        for made in self._study.corrected.values():
            yield made.requests.source, made.requests.file
            if made.beams is not None:
                for file in config.sources[made.beams.source].files:
                    yield made.beams.source, file
        for name in self._study.with_prompts:
            prompts = self._study.prompt_spec(name)
            yield prompts.source, prompts.file
            if prompts.plain is not None:
                yield prompts.source, prompts.plain
        for suite in self._study.suites.values():
            if suite.task_source is not None:
                for file in config.sources[suite.task_source].files:
                    yield suite.task_source, file
            for task in (config.tasks[n] for n in suite.tasks if n in config.tasks):
                for file in task.files.values():
                    yield task.source, file
        for judge in self._study.measured():
            entry = config.judges[judge]
            yield str(entry.labelled_source), str(entry.labelled_file)
        for judge in self._study.judges:
            entry = config.judges[judge]
            if entry.method == "file":
                yield str(entry.verdicts_source), str(entry.verdicts_file)


def _has_folder(judge: JudgeEntry) -> bool:
    """Whether a judge has a folder of its own.

    Likelihoods are bases, a reward model may be the study's own, rules and files have
    none.
    """
    own = judge.kind != "likelihood" and judge.recipe is None
    return own and judge.method == "model"
