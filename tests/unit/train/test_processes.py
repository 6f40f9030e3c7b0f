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
from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import HISTORY
from safegrid.models.checkpoints import hash_weights
from safegrid.runtime.runs import HOME
from safegrid.study.trainings import launcher
from safegrid.train.lease import EXIT_ORPHANED, LEASE, WHOLE

pytestmark = pytest.mark.slow

RecipeMaker = Callable[..., Recipe]
Command = Callable[..., list[str]]
Process = multiprocessing.process.BaseProcess


@pytest.fixture
def command(base: Path, pairs: Path, reference: Path, tmp_path: Path) -> Command:
    """Return a maker of `safegrid train`'s words; trainings read one reference."""

    def make(recipe: Recipe, name: str, *doses: int) -> list[str]:
        kept = [dose(tmp_path / name, step) for step in doses]
        for folder in kept:
            folder.parent.mkdir(exist_ok=True)
        return [
            *["train", "--pairs", str(pairs), "--stack", str(base)],
            *["--reference", str(reference), "--kto-reference"],
            *["--recipe", recipe.model_dump_json(), "--seed", "0", "--data-seed", "0"],
            *["--checkpoints", str(tmp_path / "checkpoints")],
            *["--out", str(tmp_path / name), *map(str, kept)],
        ]

    return make


def dose(end: Path, step: int) -> Path:
    """Return the folder of a model that is kept beside the one at the end."""
    return end.with_name(f"{end.name}@{step}") / "seed0"


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
    recipe = make_recipe(
        "dpo", max_steps=40, save_steps=4, lora={"r": 2, "lora_alpha": 4}
    )
    doses = (3, 6, 30)
    run(command(recipe, "unbroken", *doses))
    process = start(command(recipe, "broken", *doses), tmp_path)
    checkpoints = tmp_path / "checkpoints"
    wait_for(lambda: bool(list(checkpoints.glob(f"*/checkpoint-8/{WHOLE}"))), process)
    process.kill()
    process.join()
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    assert not broken.exists()
    assert not any(dose(broken, step).exists() for step in doses)
    assert len(list(checkpoints.glob(f"*/{LEASE}"))) == 1
    assert len(list(checkpoints.glob("*/dose-[36]"))) == 2
    run(command(recipe, "broken", *doses))
    assert read_manifest(broken)["resumed"] is True
    assert hash_weights(broken) == hash_weights(unbroken)
    for step in doses:
        assert hash_weights(dose(broken, step)) == hash_weights(dose(unbroken, step))
    assert list(checkpoints.iterdir()) == []


def test_a_training_ends_with_the_run_that_owns_it_and_writes_nothing(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("nca", max_steps=2_000, save_steps=5)
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
    recipe = make_recipe("dpo", max_steps=3, per_device_train_batch_size=4)
    run(command(recipe, one.name))
    recipe = make_recipe("dpo", max_steps=3, per_device_train_batch_size=4, processes=2)
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
    from safetensors.torch import load_file

    settings = {
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "lora": {"r": 2, "lora_alpha": 4},
    }
    one = make_recipe("dpo", **settings)
    two = make_recipe("dpo", **settings, processes=2, accelerate="fsdp")
    names = ("one", "two")
    run(command(one, "one", 2))
    launch(two, command(two, "two", 2))
    first, second = (
        read_table(tmp_path / name / "history.parquet", HISTORY)
        .filter(pl.col("metric") == "loss")["value"]
        .to_list()
        for name in names
    )
    assert first == pytest.approx(second, rel=1e-3)
    kept = [load_file(next(dose(tmp_path / n, 2).glob("*.safetensors"))) for n in names]
    assert kept[0].keys() == kept[1].keys()
    for name, tensor in kept[0].items():
        assert tensor.flatten().tolist() == pytest.approx(
            kept[1][name].flatten().tolist(), abs=1e-4
        )


def test_a_failing_training_tells_one_sentence_and_exits_with_an_error(
    command: Command, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("dpo", learning_rate=1e9, warmup_ratio=0.0)
    done = forked.run(command(recipe, "model"), environment())
    assert done.returncode == 1
    assert "error: the loss of step 2 is nan" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "model").exists()
