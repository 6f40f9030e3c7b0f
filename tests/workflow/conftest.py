"""The study `tiny`, run once in a copy of the repository, and ways to look at it.

Once for all: its copy is kept in pytest's cache until a file of the repository or a
package changes, so that several processes, and `make test-remote` after `make test`,
begin where the first one has ended. `pytest --cache-clear` forgets it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kept import alone, fingerprint, keep
from safegrid.config.load import load_config
from safegrid.runtime.runs import end_processes, read_owner
from safegrid.study import Study

ROOT = Path(__file__).parents[2]
STUDY = "config/studies/tiny.yaml"
OWNER = ".snakemake/safegrid-owner.json"
FIRST_RUN = "first_run.txt"

JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
WILDCARDS = re.compile(r"^ {4}wildcards: (.*)$", re.MULTILINE)
TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)


WHOLE_TREES = {"finished", "fresh", "make_tree"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whatever lies here starts models, engines or whole workflows."""
    item.add_marker("slow")
    if WHOLE_TREES & set(getattr(item, "fixturenames", ())):
        item.add_marker("grid")


@dataclass(frozen=True)
class Job:
    """One planned job."""

    rule: str
    wildcards: dict[str, str] = field(hash=False)


class Plan:
    """The jobs that a dry run of Snakemake has planned."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.jobs = [_job(*found) for found in JOB.findall(text)]
        totals = set(TOTAL.findall(text)) or {"0"}
        assert totals == {str(len(self.jobs))}, f"a plan that is not understood: {text}"

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs of each rule."""
        return dict(Counter(job.rule for job in self.jobs))


def _job(rule: str, lines: str) -> Job:
    found = WILDCARDS.search(lines)
    pairs = found.group(1).split(", ") if found else []
    return Job(rule, dict(pair.split("=", 1) for pair in pairs))


class Tree:
    """A copy of the repository, in which studies run and files may be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first_run = ""
        # Tests of other rooms switch the hub off for their own process.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SAFEGRID_") and name != "HF_HUB_OFFLINE"
        }
        paths = [str(Path(sys.executable).parent), kept["PATH"]]
        self.environment = {
            **kept,
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(folder / "src"),
            "SAFEGRID_RUN_DIR": str(folder / "engines"),
        }

    def call(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command to its good end and return what it printed."""
        done = self.run(*command, cwd=cwd)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run(
        self, *command: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; what it printed is all in `stdout`."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @property
    def study_command(self) -> list[str]:
        """What `make study` calls."""
        command = f"{sys.executable} -m safegrid study --study tiny --cores 2"
        return command.split()

    def plan(
        self, *targets: str, workdir: Path | None = None, options: tuple[str, ...] = ()
    ) -> Plan:
        """Plan targets, by default the whole study, in this tree or elsewhere."""
        command = ["snakemake", "--snakefile", str(self.folder / "Snakefile")]
        command += ["--dry-run", "--config", "study=tiny", *options, "--", *targets]
        return Plan(self.call(*command, cwd=workdir))

    @property
    def study(self) -> Study:
        """The study as it stands in this tree."""
        return Study(load_config(self.folder / "config", "tiny"))

    @contextmanager
    def edited(self, file: str, change: Callable[[str], str]) -> Iterator[None]:
        """Edit a file for as long as the block runs."""
        path = self.folder / file
        before = path.read_text()
        after = change(before)
        assert after != before, f"the edit of {file} changes nothing"
        path.write_text(after)
        try:
            yield
        finally:
            path.write_text(before)

    def with_study(self, change: Callable[[dict[str, Any]], None]) -> Any:
        """Edit the study's YAML for as long as the block runs."""

        def edit(text: str) -> str:
            document = yaml.safe_load(text)
            change(document)
            return yaml.safe_dump(document, sort_keys=False)

        return self.edited(STUDY, edit)

    def shrink(self) -> None:
        """Keep fewer cells of the study: two models and three benchmarks."""
        path = self.folder / STUDY
        document = yaml.safe_load(path.read_text())
        document["recipes"] = {"dpo": document["recipes"]["dpo"]}
        for name in ("alert_adversarial", "toxicity"):
            del document["benchmarks"][name]
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def written(self) -> bytes:
        """Return everything that runs wrote, as one text."""
        names = ("results", "logs", ".snakemake", "config")
        paths = (p for name in names for p in (self.folder / name).rglob("*"))
        return b"".join(path.read_bytes() for path in paths if path.is_file())

    def made(self) -> list[str]:
        """Return the paths of all results, without the marks that Snakemake sets."""
        paths = (self.folder / "results").rglob("*")
        others = (".snakemake_timestamp", "README.md")
        files = (p for p in paths if p.is_file() and p.name not in others)
        return [str(path.relative_to(self.folder)) for path in files]

    def differing(self, other: "Tree", folder: str) -> list[str]:
        """Return the tables of a folder that are not, byte for byte, another tree's."""
        names = [p.relative_to(self.folder) for p in self.files(folder, "*.parquet")]
        assert names, f"no tables in {folder}"
        return [
            str(name)
            for name in names
            if (self.folder / name).read_bytes() != (other.folder / name).read_bytes()
        ]

    def files(self, folder: str, pattern: str = "*") -> list[Path]:
        """Return all files of a folder, in order."""
        return sorted(p for p in (self.folder / folder).rglob(pattern) if p.is_file())

    def copy(self, folder: Path) -> "Tree":
        """Copy this tree with its results and Snakemake's memory of them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Tree(folder)

    def end(self) -> None:
        """End what the tree's last run may have left."""
        owner = read_owner(self.folder / OWNER)
        if owner is not None and not owner.is_alive():
            end_processes(owner.run)


def untouched(folder: Path) -> Tree:
    """Copy the repository without its tests and anything that was made in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in map(os.fsdecode, listed.stdout.split(b"\0")[:-1]):
        source, target = ROOT / name, folder / name
        if name.startswith("tests/") or not os.path.lexists(source):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    return Tree(folder)


@pytest.fixture(scope="session")
def make_tree() -> Callable[[Path], Tree]:
    """Return the maker of such copies, for fixtures that outlive a test."""
    return untouched


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Tree]:
    """A copy of the repository in which nothing was run."""
    tree = untouched(tmp_path / "repository")
    yield tree
    tree.end()


def run_once(folder: Path, cache: Path) -> Tree:
    """Run the study `tiny` in a new copy of the repository, or copy such a run."""
    tree = untouched(folder)
    kept = cache / fingerprint(folder)
    with alone(cache):
        if kept.is_dir():
            shutil.rmtree(folder)
            tree = Tree(kept).copy(folder)
        else:
            (folder / FIRST_RUN).write_text(tree.call(*tree.study_command))
            keep(folder, kept)
    tree.first_run = (folder / FIRST_RUN).read_text()
    return tree


@pytest.fixture(scope="session")
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tree]:
    """A copy of the repository in which the study `tiny` was run to its report.

    Whoever edits it takes the edit back; whoever runs jobs makes a copy.
    """
    assert request.config.cache is not None
    cache = request.config.cache.mkdir("finished")
    tree = run_once(tmp_path_factory.mktemp("workflow") / "repository", cache)
    yield tree
    tree.end()
