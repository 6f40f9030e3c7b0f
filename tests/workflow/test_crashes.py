"""`kill -9` at two bad moments, and the same results in the end.

One story, told once by a fixture: a run from an empty store is killed while it
trains, the next one while its engines answer, and the third one ends. What it leaves
must be the scores of the run that nobody disturbed: so this is also the test that a
fresh store gives identical bytes.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial

import psutil
import pytest

from safegrid.artifacts import read_manifest
from safegrid.engine.registry import Registry
from safegrid.files import read_json
from safegrid.runs import processes_of, read_owner

pytestmark = pytest.mark.timeout(4 * 3600)

OWNER = ".snakemake/safegrid-owner.json"


@dataclass
class Story:
    """What was seen on the way."""

    tree: object
    refusal: subprocess.CompletedProcess = None
    statuses: list = field(default_factory=list)
    orphans: list = field(default_factory=list)
    left: list = field(default_factory=list)
    half: list = field(default_factory=list)
    said: list = field(default_factory=list)


class Run:
    """`safegrid study` in the background, with the run that it starts."""

    def __init__(self, tree, name):
        before = read_owner(tree.folder / OWNER)
        self.tree = tree
        self.log = tree.folder / f"{name}.txt"
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                tree.study_command,
                cwd=tree.folder,
                env=tree.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        known = None if before is None else before.run
        self.owner = self.wait(lambda: self._owner(known))

    def _owner(self, known):
        owner = read_owner(self.tree.folder / OWNER)
        return owner if owner is not None and owner.run != known else None

    def wait(self, look):
        """Look until there is something to see, or the process has ended."""
        while (found := look()) is None:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        return found

    def freeze(self, pid):
        """Stop a process, so that it can do nothing about the end of its run."""
        psutil.Process(pid).suspend()

    def kill(self):
        """Kill Snakemake only, and name the processes that it leaves."""
        psutil.Process(self.owner.pid).kill()
        return processes_of(self.owner.run)


def training(tree):
    """The process that holds a training's folder, or None."""
    leases = (tree.folder / "results/tiny/store/checkpoints").glob("*/owner.json")
    return next((read_json(lease)["pid"] for lease in leases), None)


def answering(tree):
    """An engine whose answers a store has begun to keep, or None."""
    stores = (tree.folder / "results/tiny/store").glob("generate/**/*")
    if not any(path.is_file() and path.stat().st_size for path in stores):
        return None
    for folder in (tree.folder / "engines").glob("run-*"):
        for _, process in Registry(folder).alive():
            return process.pid
    return None


def alive(processes):
    """Which of these still live; a dead one that nobody waits for is a zombie."""
    return [p for p in processes if p.is_running() and p.status() != "zombie"]


def half_files(tree):
    """Results that stand under their own name and are not whole."""
    found = []
    for path in (tree.folder / "results/tiny").rglob("*"):
        parts = path.relative_to(tree.folder).parts
        if "store" in parts or any(part.startswith(".") for part in parts):
            continue
        model = path.is_dir() and path.name.startswith("seed") and "models" in parts
        if model or path.suffix == ".parquet":
            try:
                read_manifest(path)
            except Exception as error:
                found.append(f"{path}: {error!r}")
    return found


@pytest.fixture(scope="module")
def story(finished, tmp_path_factory):
    tree = finished.copy(tmp_path_factory.mktemp("crashes") / "repository")
    shutil.rmtree(tree.folder / "results/tiny")
    shutil.rmtree(tree.folder / "logs/tiny")
    told = Story(tree)
    for name, moment in (("training", training), ("answering", answering)):
        run = Run(tree, name)
        if told.orphans:
            told.left.append(alive(told.orphans[-1]))
        if told.refusal is None:
            told.refusal = tree.run(*tree.study_command)
        run.freeze(run.wait(partial(moment, tree)))
        told.orphans.append(run.kill())
        told.statuses.append(run.process.wait())
        told.half += half_files(tree)
        told.said.append(run.log.read_text())
    run = Run(tree, "last")
    told.left.append(alive(told.orphans[-1]))
    told.statuses.append(run.process.wait())
    told.said.append(run.log.read_text())
    yield told
    tree.end()


def test_a_run_beside_a_living_one_is_refused(story):
    assert story.refusal.returncode == 1
    assert "error: a run is at work in this folder" in story.refusal.stdout
    assert "kill -INT" in story.refusal.stdout


def test_a_killed_run_ends_non_zero_and_says_how_to_go_on(story):
    assert story.statuses[:2] == [137, 137]
    for text in story.said[:2]:
        assert "Snakemake was ended by signal 9; start again" in text


def test_orphans_are_gone_before_the_next_run_has_a_job(story):
    assert all(story.orphans), "nothing was left behind, so nothing is tested"
    assert story.left == [[], []]
    for text in story.said[1:]:
        assert "processes that run" in text


def test_nothing_under_its_own_name_is_half_a_file(story):
    assert story.half + half_files(story.tree) == []


def test_a_run_that_was_killed_twice_ends_with_the_same_scores(story, finished):
    assert story.statuses[2] == 0, story.said[2]
    scores = "results/tiny/scores.parquet"
    expected = (finished.folder / scores).read_bytes()
    assert (story.tree.folder / scores).read_bytes() == expected
    assert story.tree.plan().jobs == []
