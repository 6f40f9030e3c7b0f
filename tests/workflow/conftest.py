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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import NamedTuple

import pytest
import yaml

import planner
from engines import own_run
from kept import alone, fingerprint, keep
from safegrid.config.load import load_config
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.runtime.runs import end_processes, read_owner
from safegrid.study import Study
from tiny_models import write_models

ROOT = Path(__file__).parents[2]
STUDY = "config/studies/tiny.yaml"
OWNER = ".snakemake/safegrid-owner.json"
FIRST_RUN = "first_run.txt"

JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
WILDCARDS = re.compile(r"^ {4}wildcards: (.*)$", re.MULTILINE)
TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)


WHOLE_TREES = {"finished", "fresh", "make_tree"}
# A test may wait for the first one, which runs a whole study.
PATIENCE = pytest.mark.timeout(4 * 3600)


def pytest_itemcollected(item):
    """Whatever lies here starts models, engines or whole workflows."""
    item.add_marker("slow")
    if WHOLE_TREES & set(getattr(item, "fixturenames", ())):
        item.add_marker("grid")
        item.add_marker(PATIENCE)


class Job(NamedTuple):
    """One planned job."""

    rule: str
    wildcards: dict[str, str]


class Plan:
    """The jobs that a dry run of Snakemake has planned."""

    def __init__(self, text):
        self.text = text
        self.jobs = []
        for rule, lines in JOB.findall(text):
            pairs = ", ".join(WILDCARDS.findall(lines))
            wildcards = [pair.split("=", 1) for pair in pairs.split(", ") if pair]
            self.jobs.append(Job(rule, dict(wildcards)))
        # How many jobs of each rule.
        self.counts = dict(Counter(job.rule for job in self.jobs))
        totals = set(TOTAL.findall(text)) or {"0"}
        assert totals == {str(len(self.jobs))}, f"a plan that is not understood: {text}"


def changed(change, text):
    """Return YAML after a change of what it holds."""
    document = yaml.safe_load(text)
    change(document)
    return yaml.safe_dump(document, sort_keys=False)


class Tree:
    """A copy of the repository, in which studies run and files may be edited."""

    def __init__(self, folder):
        self.folder = folder
        # Tests of other rooms switch the hub off for their own process.
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SAFEGRID_") and name != "HF_HUB_OFFLINE"
        }
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment |= {
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(folder / "src"),
            "SAFEGRID_RUN_DIR": str(folder / "engines"),
        }

    def call(self, *command, cwd=None):
        """Run a command to its good end and return what it printed."""
        done = self.run(*command, cwd=cwd)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run(self, *command, cwd=None):
        """Run a command; what it printed is all in `stdout`."""
        options = {"stdout": PIPE, "stderr": STDOUT, "text": True, "check": False}
        options |= {"cwd": cwd or self.folder, "env": self.environment}
        return subprocess.run(command, **options)

    def refused(self, *command):
        """Run a command that ends in words, with 1, and return what it printed."""
        done = self.run(*command)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def start(self, *command, log="said.txt"):
        """Start a command in a session of its own, which prints into a file."""
        with (self.folder / log).open("w") as shown:
            options = {"stdout": shown, "stderr": STDOUT, "env": self.environment}
            options |= {"cwd": self.folder, "start_new_session": True}
            return Popen(command, **options)

    @property
    def study_command(self):
        """What `make study` calls."""
        return self.safegrid("study", "--study", "tiny", "--cores", "2")

    def safegrid(self, *words):
        """Return a command of ours."""
        return [sys.executable, "-m", "safegrid", *words]

    def snakemake(self, *targets, study="tiny", options=()):
        """Return Snakemake's command; `options` are further ones of `--config`."""
        config = ["--config", f"study={study}", *options]
        return ["snakemake", "--cores", "2", *config, "--", *targets]

    def plan(self, *targets, workdir=None, **more):
        """Plan targets, by default the whole study, in this tree or elsewhere."""
        planned = self.snakemake(*targets, **more)
        planned[1:1] = ["--dry-run", "--snakefile", str(self.folder / "Snakefile")]
        return Plan(planner.plan(planned, workdir or self.folder, self.environment))

    @property
    def study(self):
        """The study as it stands in this tree."""
        return Study(load_config(self.folder / "config", "tiny"))

    @contextmanager
    def edited(self, file, change):
        """Edit a file's text for as long as the block runs."""
        path = self.folder / file
        before = path.read_text()
        after = change(before)
        assert after != before, f"the edit of {file} changes nothing"
        path.write_text(after)
        try:
            yield
        finally:
            path.write_text(before)

    def with_study(self, change):
        """Edit the study's YAML for as long as the block runs."""
        return self.with_yaml(STUDY, change)

    def with_yaml(self, file, change):
        """Edit what a YAML file holds for as long as the block runs."""
        return self.edited(file, partial(changed, change))

    def rewrite(self, file, change):
        """Change what a YAML file holds, for good."""
        path = self.folder / file
        path.write_text(changed(change, path.read_text()))

    def use_hub(self, url):
        """Let a server of the tests be the hub."""
        self.environment |= {"HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1"}
        self.environment["HF_HOME"] = str(self.folder / "hf")

    def add(self, registry, **entries):
        """Add entries to a registry of the configuration."""
        with (self.folder / f"config/{registry}.yaml").open("a") as stream:
            stream.write("\n" + yaml.safe_dump(entries))

    def shrink(self):
        """Keep fewer cells of the study: two models and three benchmarks."""

        def change(study):
            study["recipes"] = {"dpo": study["recipes"]["dpo"]}
            for name in ("alert_adversarial", "toxicity"):
                del study["benchmarks"][name]

        self.rewrite(STUDY, change)

    def stop_at(self, *files):
        """Let the whole study be its cells and these files, without all its pages."""
        path = self.folder / "Snakefile"
        head, rule, rest = path.read_text().partition("rule all:\n")
        (manifests,) = (t for t in rest.splitlines() if "all_cell_manifests" in t)
        ends = f"    input:\n{manifests}\n        {', '.join(map(repr, files))},\n\n\n"
        path.write_text(head + rule + ends + rest[rest.index("onstart:") :])

    def files(self, folder, pattern="*"):
        """Return all files of a folder, in order."""
        return sorted(p for p in (self.folder / folder).rglob(pattern) if p.is_file())

    def written(self):
        """Return everything that runs wrote, as one text."""
        names = ("results", "logs", ".snakemake", "config")
        return b"".join(p.read_bytes() for name in names for p in self.files(name))

    def made(self):
        """Return the paths of all results, without the marks that Snakemake sets."""
        others = (".snakemake_timestamp", "README.md")
        found = (p for p in self.files("results") if p.name not in others)
        return [str(path.relative_to(self.folder)) for path in found]

    def read(self, path):
        """Return a file's content."""
        return (self.folder / path).read_bytes()

    def table(self, path, schema):
        """Return the rows of a table of ours."""
        return read_table(self.folder / path, schema)

    def facts(self, path):
        """Return the manifest of a result."""
        return read_manifest(self.folder / path)

    def differing(self, other, folder):
        """Return the tables of a folder that are not, byte for byte, another tree's."""
        paths = self.files(folder, "*.parquet")
        assert paths, f"no tables in {folder}"
        names = [str(path.relative_to(self.folder)) for path in paths]
        return [name for name in names if self.read(name) != other.read(name)]

    def copy(self, folder):
        """Copy this tree with its results and Snakemake's memory of them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Tree(folder)

    def end(self):
        """End what the tree's last run may have left."""
        owner = read_owner(self.folder / OWNER)
        if owner is not None and not owner.is_alive():
            end_processes(owner.run)


def untouched(folder):
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
def make_tree():
    """Return the maker of such copies, for fixtures that outlive a test."""
    return untouched


@pytest.fixture
def fresh(tmp_path):
    """A copy of the repository in which nothing was run."""
    tree = untouched(tmp_path / "repository")
    yield tree
    tree.end()


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished study, to run jobs in."""
    tree = finished.copy(tmp_path / "repository")
    yield tree
    tree.end()


@pytest.fixture(scope="module")
def shared_copy(finished, tmp_path_factory):
    """A copy of the finished study in which all tests of a module run jobs."""
    tree = finished.copy(tmp_path_factory.mktemp("shared") / "repository")
    yield tree
    tree.end()


def run_once(folder, cache):
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
def finished(request, tmp_path_factory):
    """A copy of the repository in which the study `tiny` was run to its report.

    Whoever edits it takes the edit back; whoever runs jobs makes a copy.
    """
    cache = request.config.cache.mkdir("finished")
    tree = run_once(tmp_path_factory.mktemp("workflow") / "repository", cache)
    yield tree
    tree.end()


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder of tiny random models."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def causal(models):
    """The folder of a language model."""
    return models / "causal"


@pytest.fixture(scope="session")
def classifier(models):
    """The folder of a classifier with three labels."""
    return models / "classifier"


@pytest.fixture(scope="module")
def module_run(tmp_path_factory):
    """A run of its own, whose engines are ended after the module."""
    with own_run(tmp_path_factory.mktemp("run")):
        yield
