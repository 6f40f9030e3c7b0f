"""`kill -9` and SIGTERM at bad moments, and the same results in the end.

One story, told once by a fixture: a run from an empty cache loses its Snakemake while
it trains; the next one is asked to end while its engines answer; `safegrid study`
itself is killed while a cell is scored; the fourth run loses its Snakemake while it
writes tables; and the fifth one ends. What it leaves must be the scores of the run that
nobody disturbed: so this is also the test that a fresh cache gives identical bytes, and
that a folder may have any name.
"""

import csv
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial

import psutil
import pytest

from safegrid.core.artifacts import read_manifest
from safegrid.core.files import read_json
from safegrid.engine.lease import engines
from safegrid.runtime.runs import processes_of, read_owner

# All that a folder's name may hold: the story's folder is called so.
ODD = '-n [v2] it\'s "q" $HOME;&#%41~*?\\é,=()!|<>`id`'
OWNER = ".snakemake/safegrid-owner.json"
SCORES = "results/tiny/scores.parquet"
TABLES = "results/tiny/tables/main.csv"
MODELS = "results/tiny/models"


@dataclass
class Story:
    """What was seen on the way: a list has one entry a run, in their order."""

    tree: object
    refusal: subprocess.CompletedProcess = None
    statuses: list = field(default_factory=list)
    models: list = field(default_factory=list)
    orphans: list = field(default_factory=list)
    left: list = field(default_factory=list)
    half: list = field(default_factory=list)
    said: list = field(default_factory=list)

    def interrupt(self, run, moment, end):
        """End a run at a moment, whose process can do nothing about that."""
        psutil.Process(run.wait(partial(moment, self.tree))).suspend()
        self.orphans.append(processes_of(run.owner.run))
        self.tell(run, end(run))

    def tell(self, run, status):
        """Note how a run ended."""
        self.statuses.append(status)
        self.half += half_files(self.tree)
        self.models.append(times_of(self.tree))
        self.said.append(run.log.read_text())

    def look(self):
        """Note which processes of the last run are left."""
        self.left.append(alive(self.orphans[-1]))


class Run:
    """`safegrid study` in the background, with the run that it starts."""

    def __init__(self, tree, name):
        owner_file = tree.folder / OWNER
        before = read_owner(owner_file)
        self.log = tree.folder / f"{name}.txt"
        self.process = tree.start(*tree.study_command, log=self.log.name)

        def owner():
            found = read_owner(owner_file)
            return None if before and found and found.run == before.run else found

        self.owner = self.wait(owner)

    def wait(self, look):
        """Look until there is something to see, or the process has ended."""
        while (found := look()) is None:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        return found

    def kill_snakemake(self):
        """Kill Snakemake only; return the status of the process above it."""
        for child in psutil.Process(self.process.pid).children():
            child.kill()
        return self.process.wait()

    def end(self, number):
        """Send a signal to the process above Snakemake; return its status."""
        self.process.send_signal(number)
        return self.process.wait()


def training(tree):
    """The process that holds a training's folder, or None."""
    leases = (tree.folder / "results/tiny/cache/checkpoints").glob("*/owner.json")
    return next((read_json(lease)["pid"] for lease in leases), None)


def answering(tree):
    """An engine whose answers a cache has begun to keep, or None."""
    caches = (tree.folder / "results/tiny/cache").glob("generate/**/*")
    if not any(path.is_file() and path.stat().st_size for path in caches):
        return None
    for folder in (tree.folder / "engines").glob("run-*"):
        for engine in engines(folder):
            return engine.process.pid
    return None


def at_work(tree, words):
    """The job of the tree's run whose command has words that end so, or None."""
    for process in processes_of(read_owner(tree.folder / OWNER).run):
        try:
            command = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if command[1:3] == ["-m", "safegrid"] and all(
            any(part.endswith(word) for part in command[3:]) for word in words
        ):
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
        if "cache" in parts or any(part.startswith(".") for part in parts):
            continue
        model = path.is_dir() and path.name.startswith("seed") and "models" in parts
        try:
            read = read_manifest if model else READERS.get(path.suffix)
            if read is not None:
                read(path)
        except Exception as error:
            found.append(f"{path}: {error!r}")
    return found


def ends_with(mark):
    """Return a reader of files whose format says where they end."""

    def read(path):
        assert path.read_bytes().rstrip().endswith(mark), f"no {mark!r} at its end"

    return read


def read_csv(path):
    """Read a table whose rows are all as wide as its header."""
    assert path.read_bytes().endswith(b"\n"), "its last line is cut"
    with path.open(newline="", encoding="utf-8") as stream:
        assert len({len(row) for row in csv.reader(stream)}) == 1


READERS = {
    ".parquet": read_manifest,
    ".json": read_json,
    ".ipynb": read_json,
    ".csv": read_csv,
    ".html": ends_with(b"</html>"),
    ".svg": ends_with(b"</svg>"),
    ".png": ends_with(b"IEND\xaeB`\x82"),
    ".pdf": ends_with(b"%%EOF"),
}


@pytest.fixture(scope="module")
def story(finished, tmp_path_factory):
    tree = finished.copy(tmp_path_factory.mktemp("crashes") / ODD)
    tree.shrink()
    tree.stop_at(SCORES, TABLES)
    for folder in ("results/tiny", "logs/tiny"):
        shutil.rmtree(tree.folder / folder)
    told = Story(tree)
    run = Run(tree, "training")
    told.refusal = tree.run(*tree.study_command)
    told.interrupt(run, training, Run.kill_snakemake)
    told.look()
    run = Run(tree, "answering")
    told.interrupt(run, answering, partial(Run.end, number=signal.SIGTERM))
    told.look()
    run = Run(tree, "scoring")
    scoring = partial(at_work, words=["score"])
    told.interrupt(run, scoring, partial(Run.end, number=signal.SIGKILL))
    # What nobody could end is ended by the next run before it has a job.
    run = Run(tree, "writing")
    told.look()
    writing = partial(at_work, words=["notebook", "1_tables.ipynb"])
    told.interrupt(run, writing, Run.kill_snakemake)
    told.look()
    run = Run(tree, "last")
    told.tell(run, run.process.wait())
    yield told
    tree.end()


def times_of(tree):
    """When the weights of each trained model were written."""
    found = (
        path.relative_to(tree.folder) for path in tree.files(MODELS, "*.safetensors")
    )
    whole = (path for path in found if not any(p.startswith(".") for p in path.parts))
    return {path: (tree.folder / path).stat().st_mtime_ns for path in whole}


def test_a_run_beside_a_living_one_is_refused(story):
    assert story.refusal.returncode == 1
    assert "error: a run is at work in this folder" in story.refusal.stdout
    assert "kill -INT" in story.refusal.stdout


def test_a_run_that_is_ended_says_how_to_go_on(story):
    killed, ended = 128 + signal.SIGKILL, 128 + signal.SIGTERM
    assert story.statuses[:4] == [killed, ended, -signal.SIGKILL, killed]
    assert "Snakemake was ended by SIGKILL; start again" in story.said[0]
    assert "the run was ended by SIGTERM; start again" in story.said[1]
    assert "processes that run" in story.said[3]


def test_a_run_that_is_ended_leaves_no_engine_and_no_job(story):
    assert all(story.orphans), "nothing was at work, so nothing is tested"
    assert story.left == [[], [], [], []]


def test_nothing_under_its_own_name_is_half_a_file(story):
    assert story.half == []


def test_a_run_that_was_killed_goes_on_in_any_folder_to_the_same_scores(
    story, finished
):
    assert story.statuses[4] == 0, story.said[4]
    assert story.tree.differing(finished, "results/tiny/scores") == []
    assert story.tree.plan().jobs == []
    # What was trained is not trained again.
    assert all(models.items() <= story.models[-1].items() for models in story.models)


def test_an_engine_that_dies_costs_its_cell_a_second_try(finished, copy):
    cell = "tiny-base/dpo/seed0/alert"
    answers = f"results/tiny/responses/{cell}.parquet"
    for file in (answers, f"results/tiny/cache/generate/{cell}"):
        (copy.folder / file).unlink()
    options = ("recipe=dpo", "benchmark=alert")
    run = copy.start(*copy.snakemake("cell", options=options))
    said = copy.folder / "said.txt"
    while (engine := starting(copy)) is None:
        assert run.poll() is None, said.read_text()
        time.sleep(0.01)
    engine.kill()
    assert run.wait() == 0, said.read_text()
    assert said.read_text().count("Trying to restart job") == 1
    assert copy.read(answers) == finished.read(answers)


def starting(tree):
    """The process of an engine that does not answer yet, or None."""
    for folder in (tree.folder / "engines").glob("run-*"):
        for engine in engines(folder):
            if engine.url is None:
                return psutil.Process(engine.process.pid)
    return None
