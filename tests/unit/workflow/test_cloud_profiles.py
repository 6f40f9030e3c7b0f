"""Snakemake reads the clouds' profiles as they are meant."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[3] / "profiles"
EXECUTORS = {
    "kubernetes": "kubernetes",
    "aws-batch": "aws-batch",
    "google-batch": "googlebatch",
}
# What the installed Snakemake and its plugins make of a profile, as JSON.
READ = """
import json, sys
from snakemake.cli import parse_args

def raw(values):
    return {name: getattr(v, "raw", v) for name, v in (values or {}).items()}

_, args = parse_args(["--profile", sys.argv[1], "--dry-run"])
args.set_resources = {r: raw(of) for r, of in (args.set_resources or {}).items()}
args.set_threads = raw(args.set_threads)
args.default_resources = raw(args.default_resources)
args.preemptible_rules = sorted(args.preemptible_rules)
print(json.dumps(vars(args), default=str))
"""
PAIRS = """
import json
from snakemake_executor_plugin_aws_batch.constant import VALID_RESOURCES_MAPPING
print(json.dumps(VALID_RESOURCES_MAPPING))
"""


@pytest.fixture(scope="module")
def run(cloud_packages):
    """Run Python where the cloud plugins are; return the JSON that it printed."""

    def _run(program, *words):
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=os.environ | {"PYTHONPATH": str(cloud_packages)},
            cwd=PROFILES.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return _run


@pytest.fixture(scope="module", params=sorted(EXECUTORS))
def profile(request, run):
    """A profile by name, and what Snakemake makes of it."""
    return request.param, run(READ, f"profiles/{request.param}")


def test_it_sends_jobs_to_its_cloud_and_results_into_a_bucket(profile):
    name, args = profile
    assert args["executor"] == EXECUTORS[name]
    assert args["jobs"] == 20
    assert args["default_storage_provider"] == "s3"
    assert args["default_storage_prefix"] == "s3://YOUR-BUCKET/safegrid"
    assert args["container_image"].startswith("YOUR-REGISTRY/safegrid:")


def test_a_job_whose_machine_was_taken_back_is_tried_again_whatever_its_rule(profile):
    _, args = profile
    assert args["retries"] == args["preemptible_retries"] == 3
    # An empty list means every rule, those with `retries` of their own too.
    assert args["preemptible_rules"] == []


def test_jobs_that_hold_a_model_ask_for_a_gpu_and_no_others(run):
    slurm = yaml.safe_load((PROFILES / "slurm/config.yaml").read_text())
    kinds = slurm["set-resources"].items()
    models = {
        r for r, of in kinds if "gres" in of and not r.startswith("cell_manifest")
    }
    asked = {"kubernetes": "gpu", "aws-batch": "_gpus"}
    for name, gpus in asked.items():
        args = run(READ, f"profiles/{name}")
        assert {r for r, of in args["set_resources"].items() if gpus in of} == models
        assert gpus not in args["default_resources"]


def test_aws_knows_the_pairs_of_memory_and_cores(run):
    args, pairs = run(READ, "profiles/aws-batch"), run(PAIRS)
    assert 1 in pairs[str(args["default_resources"]["mem_mb"])]
    for rule, of in args["set_resources"].items():
        assert int(args["set_threads"][rule]) in pairs[str(of["mem_mb"])]
    assert int(args["aws_batch_task_timeout"]) == 24 * 3600
