"""Trainings in processes of their own: killed, orphaned, several at once."""

import multiprocessing
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import forked
from safegrid.artifacts import read_manifest, read_table
from safegrid.checkpoints import hash_weights
from safegrid.config.training import Recipe
from safegrid.records import HISTORY
from safegrid.runs import HOME
from safegrid.train.lease import EXIT_ORPHANED, LEASE, WHOLE
from safegrid.trainings import launcher

pytestmark = pytest.mark.slow

RecipeMaker = Callable[..., Recipe]
Command = Callable[..., list[str]]
Process = multiprocessing.process.BaseProcess


@pytest.fixture
def command(base: Path, pairs: Path, reference: Path, tmp_path: Path) -> Command:
    """Return a maker of `safegrid train`'s words; trainings read one reference."""

    def make(recipe: Recipe, name: str) -> list[str]:
        return [
            *["train", "--pairs", str(pairs), "--chain", str(base)],
            *["--reference", str(reference), "--kto-reference"],
            *["--recipe", recipe.model_dump_json(), "--seed", "0", "--data-seed", "0"],
            *["--checkpoints", str(tmp_path / "checkpoints")],
            *["--out", str(tmp_path / name)],
        ]

    return make


def environment(**more: str) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SAFEGRID", "SLURM"))
    }
    home = str(Path(__file__).parents[3])
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    own = {HOME: home, "PATH": path, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1"}
    return {**kept, **own, **more}


def start(arguments: list[str], folder: Path, **more: str) -> Process:
    return forked.start(arguments, environment(**more), folder / "shown.txt")


def run(arguments: list[str]) -> None:
    done = forked.run(arguments, environment())
    assert done.returncode == 0, done.stdout[-3000:]


def launch(recipe: Recipe, arguments: list[str]) -> None:
    """Run a training of several processes as its rule does."""
    _, *options = shlex.split(launcher(recipe))
    command = [sys.executable, *options, "safegrid", *arguments]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def wait_for(what: Callable[[], bool], process: Process) -> None:
    end = time.monotonic() + 240
    while not what():
        assert process.is_alive(), "it ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_training_killed_at_a_checkpoint_ends_like_an_unbroken_one(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("dpo", steps=40, save_steps=4, lora={"rank": 2, "alpha": 4})
    run(command(recipe, "unbroken"))
    process = start(command(recipe, "broken"), tmp_path)
    checkpoints = tmp_path / "checkpoints"
    wait_for(lambda: bool(list(checkpoints.glob(f"*/checkpoint-8/{WHOLE}"))), process)
    process.kill()
    process.join()
    assert not (tmp_path / "broken").exists()
    assert len(list(checkpoints.glob(f"*/{LEASE}"))) == 1
    run(command(recipe, "broken"))
    assert read_manifest(tmp_path / "broken")["resumed"] is True
    assert hash_weights(tmp_path / "broken") == hash_weights(tmp_path / "unbroken")
    assert list(checkpoints.iterdir()) == []


def test_a_training_ends_with_the_run_that_owns_it_and_writes_nothing(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("nca", steps=2_000, save_steps=5)
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = start(
        command(recipe, "model"), tmp_path, SAFEGRID_OWNER_PID=str(owner.pid)
    )
    checkpoints = tmp_path / "checkpoints"
    wait_for(lambda: bool(list(checkpoints.glob(f"*/*/{WHOLE}"))), process)
    owner.kill()
    owner.wait()
    process.join(timeout=60)
    assert process.exitcode == EXIT_ORPHANED
    assert not (tmp_path / "model").exists()


def test_two_processes_train_as_one_does_and_one_of_them_writes(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    recipe = make_recipe("dpo", steps=3, micro_batch=4)
    run(command(recipe, one.name))
    recipe = make_recipe("dpo", steps=3, micro_batch=4, processes=2)
    launch(recipe, command(recipe, two.name))
    assert read_manifest(one)["accumulate"] == 2
    assert read_manifest(two)["accumulate"] == 1
    for metric in ("loss", "grad_norm"):
        first, second = (
            read_table(folder / "history.parquet", HISTORY)
            .filter(pl.col("metric") == metric)["value"]
            .to_list()
            for folder in (one, two)
        )
        assert first == pytest.approx(second, rel=1e-3)


def test_processes_that_share_a_model_train_as_one_does(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    """Without a GPU, accelerate keeps a copy in each process: FSDP itself needs one."""
    settings = {"steps": 3, "micro_batch": 4, "lora": {"rank": 2, "alpha": 4}}
    one = make_recipe("dpo", **settings)
    two = make_recipe("dpo", **settings, processes=2, accelerate="fsdp")
    run(command(one, "one"))
    launch(two, command(two, "two"))
    first, second = (
        read_table(tmp_path / name / "history.parquet", HISTORY)
        .filter(pl.col("metric") == "loss")["value"]
        .to_list()
        for name in ("one", "two")
    )
    assert first == pytest.approx(second, rel=1e-3)


def test_a_failing_training_tells_one_sentence_and_exits_with_an_error(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("dpo", learning_rate=1e9, warmup=0.0)
    done = forked.run(command(recipe, "model"), environment())
    assert done.returncode == 1
    assert "error: the gradient's norm of step 2 is nan" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "model").exists()
