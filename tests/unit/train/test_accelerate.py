"""Trainings of several processes: how they are started, and the files they read."""

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from made_up_training import make_recipe
from safegrid.core.errors import ConfigError, SafegridError
from safegrid.runtime.launch import HEAD, command
from safegrid.runtime.runs import HOME, SLURM_JOB
from safegrid.study.trainings import launcher
from safegrid.train.run import train

ROOT = Path(__file__).parents[3]
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch"]
TWO = {"processes": 2, "per_device_train_batch_size": 4}
KINDS = {"fsdp": "FSDP", "deepspeed": "DEEPSPEED"}


def words(recipe, monkeypatch):
    monkeypatch.setenv(HOME, str(ROOT))
    given = shlex.split(launcher(recipe))
    assert given[:3] == ["python", "-m", "safegrid.runtime.launch"]
    return command([*given[3:], "safegrid", "train"], 1, os.environ)


def test_one_process_needs_no_launcher():
    assert launcher(make_recipe()) == "python -m"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_file_that_a_recipe_names_is_one_that_accelerate_reads(kind, monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    line = words(make_recipe(**TWO, accelerate=kind), monkeypatch)
    parser = launch_command_parser()
    arguments = parser.parse_args(line[3:])
    assert arguments.num_processes == 2
    assert arguments.module
    assert not arguments.multi_gpu
    config = load_config_from_file(arguments.config_file)
    assert config.distributed_type == KINDS[kind]
    assert config.mixed_precision == "no"
    shared = config.fsdp_config if kind == "fsdp" else config.deepspeed_config
    options = {name for action in parser._actions for name in action.option_strings}
    assert {f"--{key}" for key in shared} <= options


def test_on_several_nodes_srun_calls_the_launcher_once_on_each():
    job = {SLURM_JOB: "17", "SLURM_CPUS_ON_NODE": "8", HOME: str(ROOT)}
    words = ["8", "fsdp", "safegrid", "train"]
    line = command(words, 2, job)
    assert line[:2] == ["srun", "--overlap"]
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1"} <= set(line)
    assert "--cpus-per-task=8" in line
    assert line[-5:] == ["safegrid.runtime.launch", *words]
    second = command(words, 2, {**job, HEAD: "first", "SLURM_NODEID": "1"})
    said = " ".join(second)
    assert second[:3] == ACCELERATE
    assert "--num_processes 8 --num_machines 2" in said
    assert "--machine_rank 1 --main_process_ip first" in said
    with pytest.raises(SafegridError, match="7 processes and the job has 2 nodes"):
        command(["7", "copies", "safegrid", "train"], 2, job)


def test_whole_copies_are_several_processes_of_one_machine(monkeypatch):
    line = words(make_recipe(**TWO), monkeypatch)
    assert line[:3] == ACCELERATE
    said = " ".join(line[3:])
    assert said.startswith("--multi_gpu --num_processes 2 ")
    assert said.endswith("--main_process_port 0 --module safegrid train")


def test_sharing_a_model_needs_several_processes():
    with pytest.raises(ValidationError, match="`processes` is 1; raise it or remove"):
        make_recipe(accelerate="fsdp")


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="deepspeed is there")
def test_deepspeed_that_is_not_installed_is_told_before_anything_is_loaded(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    recipe = make_recipe(**TWO, accelerate="deepspeed")
    nowhere = tmp_path / "nothing"
    with pytest.raises(ConfigError, match="needs the package deepspeed"):
        train(nowhere, [nowhere], None, None, recipe, 0, 0, nowhere, nowhere)
