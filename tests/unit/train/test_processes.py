"""Trainings in processes of their own: killed, orphaned, several, a full disk."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

import forked
from disks import mounted, remount
from made_up_training import curve, make_recipe, stored
from safegrid.core.artifacts import read_manifest
from safegrid.models.checkpoints import hash_weights
from safegrid.runtime.runs import HOME
from safegrid.study.trainings import launcher
from safegrid.train.lease import EXIT_ORPHANED, LEASE, WHOLE
from terminal import in_terminal

pytestmark = pytest.mark.slow

SMALL = {"r": 2, "lora_alpha": 4}


def dose(end, step):
    """Return the folder of a model that is kept beside the one at the end."""
    folder = end.with_name(f"{end.name}@{step}") / "seed0"
    folder.parent.mkdir(exist_ok=True)
    return folder


def environment(**more):
    foreign = ("SAFEGRID", "SLURM")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    home = str(Path(__file__).parents[3])
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    own = {HOME: home, "PATH": path, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1"}
    return {**kept, **own, **more}


def start(arguments, folder, **more):
    return forked.start(arguments, environment(**more), folder / "shown.txt")


def run(arguments):
    done = forked.run(arguments, environment())
    assert done.returncode == 0, done.stdout[-3000:]


def launch(recipe, arguments):
    """Run a training of several processes as its rule does."""
    _, *options = shlex.split(launcher(recipe))
    command = [sys.executable, *options, "safegrid", *arguments]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def wait_for(what, process):
    end = time.monotonic() + 240
    while not what():
        assert process.is_alive(), "it ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_training_killed_at_a_checkpoint_ends_like_an_unbroken_one(command, tmp_path):
    recipe = make_recipe(max_steps=40, save_steps=4, lora=SMALL)
    doses = (3, 6, 30)
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    broken_words, unbroken_words = (
        command(recipe, end, *(dose(end, step) for step in doses))
        for end in (broken, unbroken)
    )
    run(unbroken_words)
    process = start(broken_words, tmp_path)
    checkpoints = tmp_path / "checkpoints"
    wait_for(lambda: bool(list(checkpoints.glob(f"*/checkpoint-8/{WHOLE}"))), process)
    process.kill()
    process.join()
    assert not broken.exists()
    assert not any(dose(broken, step).exists() for step in doses)
    assert len(list(checkpoints.glob(f"*/{LEASE}"))) == 1
    assert len(list(checkpoints.glob("*/dose-[36]"))) == 2
    run(broken_words)
    assert read_manifest(broken)["resumed"] is True
    assert hash_weights(broken) == hash_weights(unbroken)
    for step in doses:
        assert hash_weights(dose(broken, step)) == hash_weights(dose(unbroken, step))
    assert list(checkpoints.iterdir()) == []


def test_a_training_ends_with_the_run_that_owns_it_and_writes_nothing(
    command, tmp_path
):
    words = command(make_recipe("nca", max_steps=2_000, save_steps=5), tmp_path / "out")
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = start(words, tmp_path, SAFEGRID_OWNER_PID=str(owner.pid))
    checkpoints = tmp_path / "checkpoints"
    wait_for(lambda: bool(list(checkpoints.glob(f"*/*/{WHOLE}"))), process)
    owner.kill()
    owner.wait()
    process.join(timeout=60)
    assert process.exitcode == EXIT_ORPHANED
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "shared",
    # Without a GPU, accelerate keeps a copy in each process: FSDP itself needs one.
    [{}, {"lora": SMALL, "accelerate": "fsdp"}],
    ids=["copies", "fsdp"],
)
def test_two_processes_train_as_one_does_and_one_of_them_writes(
    shared, command, tmp_path
):
    one, two = tmp_path / "one", tmp_path / "two"
    settings = {"max_steps": 3, "per_device_train_batch_size": 4}
    alone = {**settings, "lora": shared.get("lora")}
    run(command(make_recipe(**alone), one, dose(one, 2)))
    recipe = make_recipe(**settings, **shared, processes=2)
    launch(recipe, command(recipe, two, dose(two, 2)))
    assert read_manifest(one)["accumulate"] == 2
    assert read_manifest(two)["accumulate"] == 1
    for metric in ("loss", "grad_norm"):
        assert curve(one, metric) == pytest.approx(curve(two, metric), rel=1e-3)
    first, second = (stored(dose(end, 2)) for end in (one, two))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        other = second[name].flatten().tolist()
        assert tensor.flatten().tolist() == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("where", ["checkpoints", "out"])
def test_a_full_disk_ends_a_training_in_words_and_leaves_nothing_half(
    where, command, tmp_path
):
    with mounted(tmp_path / "small", "size=64k") as small:
        places = {name: tmp_path / name for name in ("checkpoints", "out")}
        places[where] = small / where
        out, checkpoints = places["out"], places["checkpoints"]
        words = command(make_recipe(save_steps=2), out, checkpoints=checkpoints)
        failed = forked.run(words, os.environ)
        assert failed.returncode == 1
        assert "the disk is full. Free some space" in failed.stdout
        assert "Traceback" not in failed.stdout
        assert not out.exists()
        remount(small, "size=20m")
        done = forked.run(words, os.environ)
        assert done.returncode == 0, done.stdout
        assert read_manifest(out)["steps"] == 4
        assert [p.name for p in out.parent.glob(".*")] == []


def test_a_bar_counts_steps_in_a_terminal_and_nowhere_else(command, tmp_path):
    words = command(make_recipe(), tmp_path / "shown")
    shown = in_terminal([sys.executable, "-m", "safegrid", *words])
    assert re.search(r"100%.* 4/4 \[.*(it/s|s/it)", shown), shown
    done = forked.run(command(make_recipe(), tmp_path / "quiet"), os.environ)
    assert "step 4 of 4" in done.stdout
    assert "%" not in done.stdout
    assert "\r" not in done.stdout
