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
import time
from base64 import urlsafe_b64decode
from functools import partial

import psutil
import pytest

from safegrid.core.artifacts import read_manifest
from safegrid.core.files import read_json
from safegrid.engine.lease import engines
from safegrid.runtime.runs import OWNER_FILE, processes_of, read_owner

# All that a folder's name may hold: the story's folder is called so.
ODD = '-n [v2] it\'s "q" $HOME;&#%41~*?\\é,=()!|<>`id`'
SCORES = "results/tiny/scores.parquet"
TABLES = "results/tiny/tables/main.csv"
MODELS = "results/tiny/models"
# How files end that are whole.
MARKS = {
    ".html": b"</html>",
    ".svg": b"</svg>",
    ".png": b"IEND\xaeB`\x82",
    ".pdf": b"%%EOF",
}


class Story:
    """A tree, the run at work in it, and what was seen: lists with one entry a run."""

    def __init__(self, tree):
        self.tree = tree
        self.statuses, self.said, self.models = [], [], []
        self.orphans, self.left, self.half = [], [], []

    def start(self):
        """Start `safegrid study` in the background, and see its run begin."""
        before = read_owner(self.tree.folder / OWNER_FILE)
        self.log = self.tree.folder / f"run{len(self.said)}.txt"
        self.process = self.tree.start(*self.tree.study_command, log=self.log.name)

        def owner():
            found = read_owner(self.tree.folder / OWNER_FILE)
            return None if before and found and found.run == before.run else found

        self.owner = self.wait(owner)

    def wait(self, look):
        """Look until there is something to see, or the process has ended."""
        while (found := look()) is None:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        return found

    def interrupt(self, moment, end):
        """End the run at a moment, whose process can do nothing about that."""
        psutil.Process(self.wait(partial(moment, self.tree))).suspend()
        self.orphans.append(processes_of(self.owner.run))
        end()
        self.note()

    def kill_snakemake(self):
        """Kill the process below `safegrid study` only."""
        for child in psutil.Process(self.process.pid).children():
            child.kill()

    def note(self):
        """Note how the run ended."""
        self.statuses.append(self.process.wait())
        self.half += half_files(self.tree)
        self.models.append(times_of(self.tree))
        self.said.append(self.log.read_text())

    def look(self):
        """Note which processes of the last run are left; nobody waits for zombies."""
        last = self.orphans[-1]
        living = [p for p in last if p.is_running() and p.status() != "zombie"]
        self.left.append(living)


def training(tree):
    """The process that holds a training's folder, or None."""
    leases = (tree.folder / "results/tiny/cache/checkpoints").glob("*/owner.json")
    return next((read_json(lease)["pid"] for lease in leases), None)


def engines_of(tree):
    """The engines of the tree's runs."""
    folders = (tree.folder / "engines").glob("run-*")
    return [engine for folder in folders for engine in engines(folder)]


def answering(tree):
    """An engine whose answers a cache has begun to keep, or None."""
    kept = any(
        path.stat().st_size for path in tree.files("results/tiny/cache/generate")
    )
    found = engines_of(tree) if kept else []
    return found[0].process.pid if found else None


def at_work(tree, words):
    """The job of the tree's run whose command has words that end so, or None."""
    for process in processes_of(read_owner(tree.folder / OWNER_FILE).run):
        try:
            command = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if command[1:3] == ["-m", "safegrid"] and all(
            any(part.endswith(word) for part in command[3:]) for word in words
        ):
            return process.pid
    return None


def half_files(tree):
    """Results that stand under their own name and are not whole."""
    found = []
    for path in (tree.folder / "results/tiny").rglob("*"):
        parts = path.relative_to(tree.folder).parts
        if "cache" in parts or any(part.startswith(".") for part in parts):
            continue
        try:
            read_whole(path, parts)
        except Exception as error:
            found.append(f"{path}: {error!r}")
    return found


def read_whole(path, parts):
    """Read a result of a format that tells whether it is whole."""
    model = path.is_dir() and path.name.startswith("seed") and "models" in parts
    if model or path.suffix == ".parquet":
        read_manifest(path)
    elif path.suffix in (".json", ".ipynb"):
        read_json(path)
    elif path.suffix in MARKS:
        assert path.read_bytes().rstrip().endswith(MARKS[path.suffix]), "no end"
    elif path.suffix == ".csv":
        assert path.read_bytes().endswith(b"\n"), "its last line is cut"
        with path.open(newline="", encoding="utf-8") as stream:
            assert len({len(row) for row in csv.reader(stream)}) == 1


def times_of(tree):
    """When the weights of each model were written whose job Snakemake saw end."""
    marks = tree.folder / ".snakemake/incomplete"
    begun = {urlsafe_b64decode(mark.name).decode() for mark in marks.glob("*")}
    found = (
        path.relative_to(tree.folder) for path in tree.files(MODELS, "*.safetensors")
    )
    return {
        path: (tree.folder / path).stat().st_mtime_ns
        for path in found
        if str(path.parent) not in begun
        and not any(part.startswith(".") for part in path.parts)
    }


@pytest.fixture(scope="module")
def story(finished, tmp_path_factory):
    tree = finished.copy(tmp_path_factory.mktemp("crashes") / ODD)
    tree.shrink()
    tree.stop_at(SCORES, TABLES)
    for folder in ("results/tiny", "logs/tiny"):
        shutil.rmtree(tree.folder / folder)
    told = Story(tree)
    told.start()
    told.refusal = tree.refused(*tree.study_command)
    told.interrupt(training, told.kill_snakemake)
    told.look()
    told.start()
    told.interrupt(answering, lambda: told.process.send_signal(signal.SIGTERM))
    told.look()
    told.start()
    told.interrupt(partial(at_work, words=["score"]), lambda: told.process.kill())
    # What nobody could end is ended by the next run before it has a job.
    told.start()
    told.look()
    writing = partial(at_work, words=["notebook", "1_tables.ipynb"])
    told.interrupt(writing, told.kill_snakemake)
    told.look()
    told.start()
    told.note()
    yield told
    tree.end()


def test_a_run_beside_a_living_one_is_refused(story):
    assert "error: a run is at work in this folder" in story.refusal
    assert "kill -INT" in story.refusal


def test_a_run_that_is_ended_says_how_to_go_on(story):
    killed, ended = 128 + signal.SIGKILL, 128 + signal.SIGTERM
    assert story.statuses[:4] == [killed, ended, -signal.SIGKILL, killed]
    assert "Snakemake was ended by SIGKILL; start again" in story.said[0]
    assert "the run was ended by SIGTERM; start again" in story.said[1]
    assert "processes that run" in story.said[3]


def test_a_run_that_is_ended_leaves_no_process_and_no_half_file(story):
    assert all(story.orphans), "nothing was at work, so nothing is tested"
    assert story.left == [[], [], [], []]
    assert story.half == []


def test_a_run_that_was_killed_goes_on_in_any_folder_to_the_same_scores(
    story, finished
):
    assert story.statuses[4] == 0, story.said[4]
    assert story.tree.differing(finished, "results/tiny/scores") == []
    assert story.tree.plan().jobs == []
    # What was trained is not trained again.
    again = [
        (number, str(path))
        for number, models in enumerate(story.models)
        for path, time in models.items()
        if story.models[-1].get(path) != time
    ]
    assert again == []


def test_an_engine_that_dies_costs_its_cell_a_second_try(finished, copy):
    cell = "tiny-base/dpo/seed0/alert"
    answers = f"results/tiny/responses/{cell}.parquet"
    for file in (answers, f"results/tiny/cache/generate/{cell}"):
        (copy.folder / file).unlink()
    options = ("recipe=dpo", "benchmark=alert")
    run = copy.start(*copy.snakemake("cell", options=options))
    said = copy.folder / "said.txt"
    # One that does not answer yet.
    while not (engine := [e for e in engines_of(copy) if e.url is None]):
        assert run.poll() is None, said.read_text()
        time.sleep(0.01)
    psutil.Process(engine[0].process.pid).kill()
    assert run.wait() == 0, said.read_text()
    assert said.read_text().count("Trying to restart job") == 1
    assert copy.read(answers) == finished.read(answers)
