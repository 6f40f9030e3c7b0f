"""The command that asks for a cell, beside a server: bars, and what a crash costs."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import polars as pl
import pytest

from disks import mounted, remount
from safegrid.core.artifacts import read_table, write_table
from safegrid.core.records import IDS, RESPONSE
from safegrid.models.templates import ChatTokenizer
from terminal import in_terminal

pytestmark = pytest.mark.slow

N_PROMPTS = 10
CHUNK = 2


class Cell:
    """One cell's `safegrid generate`, in a folder of its own."""

    def __init__(self, folder, base, n_prompts=N_PROMPTS):
        self.folder = folder
        self.ids, self.out, self.cache = (folder / n for n in ("ids", "out", "cache"))
        rows = [(f"p{n}", [1, 10 + n]) for n in range(n_prompts)]
        template = ChatTokenizer.load(base).template_hash
        frame = pl.DataFrame(rows, schema=IDS, orient="row")
        write_table(self.ids, frame, IDS, {"template": template})

    def command(self, server):
        engine = {"kind": "address", "address": [server.url], "batch_size": CHUNK}
        options = {
            "stack": server.folder,
            "ids": self.ids,
            "decode": json.dumps({"max_new_tokens": 3}),
            "engine": json.dumps(engine),
            "seed": 0,
            "benchmark-version": 1,
            "cache": self.cache,
            "out": self.out,
        }
        words = [str(w) for k, v in options.items() for w in (f"--{k}", v)]
        return [sys.executable, "-m", "safegrid", "generate", *words]

    def run(self, server):
        return subprocess.run(
            self.command(server), capture_output=True, text=True, check=False
        )

    def kept(self):
        """The chunks of answers that the cache holds: its lines but that of who."""
        lines = self.cache.read_bytes().splitlines() if self.cache.exists() else []
        return [line for line in lines if b'"identity"' not in line]


@pytest.fixture
def cell(tmp_path, base_folder, monkeypatch):
    monkeypatch.setenv("SAFEGRID_ENGINE_KEY", "secret-of-a-server")
    return Cell(tmp_path, base_folder)


@pytest.fixture
def start(serve, base_folder):
    """Return a starter of servers of one model, which has the base's tokenizer."""

    def start(name):
        server = serve(name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (server.folder / file).write_bytes((base_folder / file).read_bytes())
        return server

    return start


def asked(server):
    """How often each prompt was asked, by its last id."""
    lines = map(json.loads, server.log.read_text().splitlines())
    return Counter(p[-1] for line in lines for p in line.get("prompt", []))


def test_a_bar_in_a_terminal_counts_items_and_says_their_rate(cell, start):
    shown = in_terminal(cell.command(start("m")))
    assert "answers:   0%" in shown
    assert re.search(rf"answers: 100%.* {N_PROMPTS}/{N_PROMPTS} \[.*item/s\]", shown)


def test_without_a_terminal_there_is_no_bar(cell, start):
    done = cell.run(start("m"))
    assert done.returncode == 0
    assert done.stdout == ""
    assert f"{N_PROMPTS} responses" in done.stderr
    assert "\r" not in done.stderr
    assert "%" not in done.stderr


def test_an_engine_that_dies_in_the_middle_is_asked_again_for_the_rest_only(
    cell, start, monkeypatch
):
    monkeypatch.setenv("STAND_IN_LIVES", "2")
    first = start("first/bases/m")
    failed = cell.run(first)
    assert failed.returncode == 1
    assert re.search("^error: .*does not answer", failed.stderr, re.MULTILINE)
    assert "Traceback" not in failed.stderr
    assert not cell.out.exists()
    assert len(cell.kept()) == 2
    monkeypatch.delenv("STAND_IN_LIVES")
    second = start("second/bases/m")
    assert cell.run(second).returncode == 0
    assert asked(second) == {10 + n: 1 for n in range(2 * CHUNK, N_PROMPTS)}
    assert read_table(cell.out, RESPONSE).height == N_PROMPTS


def test_a_client_that_is_killed_asks_again_for_nothing_that_was_answered(
    cell, start, monkeypatch
):
    monkeypatch.setenv("STAND_IN_PACE", "0.3")
    server = start("m")
    with subprocess.Popen(cell.command(server)) as child:
        while len(cell.kept()) < 2:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    kept = len(cell.kept())
    assert 2 <= kept < N_PROMPTS / CHUNK
    assert not cell.out.exists()
    before = asked(server)
    assert cell.run(server).returncode == 0
    again = asked(server) - before
    assert again == {10 + n: 1 for n in range(kept * CHUNK, N_PROMPTS)}
    assert [path.name for path in cell.folder.iterdir() if path.name[0] == "."] == []


def test_a_full_disk_ends_a_cell_in_words_and_costs_no_answer(cell, start, base_folder):
    server = start("m")
    cell = Cell(cell.folder, base_folder, n_prompts=60)
    with mounted(cell.folder / "small", "size=16k") as small:
        cell.cache = small / "cache"
        (small / "filler").write_bytes(bytes(12 * 1024))
        failed = cell.run(server)
        assert failed.returncode == 1
        told = f"error: {cell.cache}: cannot be written, the disk is full. Free some"
        assert told in failed.stderr
        assert "Traceback" not in failed.stderr
        assert not cell.out.exists()
        before = asked(server)
        (small / "filler").unlink()
        assert cell.run(server).returncode == 0
    again = asked(server) - before
    # All but the chunks that were kept, and the one that was torn, once.
    assert len(before) - CHUNK + len(again) == 60
    assert set(again.values()) == {1}
    assert read_table(cell.out, RESPONSE).height == 60


def test_results_that_do_not_fit_are_not_there_and_ask_nothing_anew(cell, start):
    server = start("m")
    with mounted(cell.folder / "small", "size=8k") as small:
        cell.out = small / "out"
        (small / "filler").write_bytes(bytes(8 * 1024))
        failed = cell.run(server)
        assert failed.returncode == 1
        assert "cannot be written, the disk is full" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert [path.name for path in small.iterdir()] == ["filler"]
        before = asked(server)
        (small / "filler").unlink()
        remount(small, "size=1m")
        assert cell.run(server).returncode == 0
        assert asked(server) == before
        assert read_table(cell.out, RESPONSE).height == N_PROMPTS
