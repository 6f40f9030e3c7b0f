"""A cell made by pods: Snakemake's own executor, a bucket, no shared disk."""

import json
import re
import sys
from pathlib import Path

import pytest

from kubernetes_stand_in import Cluster

CELL = "results/tiny/scores/tiny-base/nca/seed0/xstest.parquet"
# What the bucket holds when the cell is asked for.
KEPT = (
    "raw",
    "bases",
    "judges",
    *(f"tiny/{n}" for n in ("calibrated", "datasets", "pairs")),
)
KEPT += tuple(f"tiny/{n}" for n in ("ids", "overlap", "prompts", "reference"))


@pytest.fixture
def cluster(cloud_packages, tmp_path):
    """A cluster with our image, which takes the training's pod away once."""
    # As Dockerfile has it: what is installed, and the bucket's plugin as a wheel.
    image = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(cloud_packages),
        "OMP_NUM_THREADS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(cloud_packages / "wheels"),
        "PIP_NO_DEPS": "1",
    }
    with Cluster(image, reclaim="safegrid.train.run") as cluster:
        yield cluster


@pytest.fixture
def tree(fresh, cluster, bucket, cloud_packages, tmp_path):
    """The repository as a git checkout whose user may use cluster and bucket."""
    server = {"name": "c", "cluster": {"server": cluster.url}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {}}
    kubeconfig = tmp_path / "kubeconfig"
    access = {"clusters": [server], "contexts": [context], "users": [user]}
    kubeconfig.write_text(json.dumps(access | {"current-context": "x"}))
    fresh.environment |= bucket.environment | {"KUBECONFIG": str(kubeconfig)}
    fresh.environment["PYTHONPATH"] = str(cloud_packages)
    fresh.call("git", "init", "--quiet")
    fresh.call("git", "add", ".")
    return fresh


def test_a_cell_is_made_by_pods_though_one_is_taken_away(
    tree, finished, cluster, bucket
):
    bucket.add(finished.folder, before_the_cell(finished))
    command = ["snakemake", "--profile", "profiles/kubernetes", *bucket.options]
    command += ["--seconds-between-status-checks", "1", "--container-image", "ours:1"]
    command += ["--config", "study=tiny", "recipe=nca", "benchmark=xstest"]
    said = tree.call(*command, "--", "cell")

    assert bucket.read(CELL) == finished.read(CELL)
    assert len(cluster.reclaimed) == 1
    assert said.count("Trying to restart job") == 1
    # Light jobs stayed here and left nothing but scratch.
    assert rules_of(cluster) == ["train", "train", "generate", "judge", "judge"]
    assert tree.made() == []
    # Nothing is left behind: no secret with the bucket's keys, no pod.
    assert (cluster.secrets, cluster.pods) == ({}, {})
    for job in cluster.jobs:
        pod = job["spec"]["template"]["spec"]
        assert pod["volumes"] == [{"name": "workdir", "emptyDir": {}}]
        assert pod["containers"][0]["image"] == "ours:1"
        assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert "test" not in json.dumps(pod["containers"][0]["env"])


def rules_of(cluster):
    """The rule of each pod, in the order of their making."""
    containers = [
        job["spec"]["template"]["spec"]["containers"][0] for job in cluster.jobs
    ]
    return [re.search(r"--allowed-rules (\w+)", c["args"][-1])[1] for c in containers]


def before_the_cell(finished):
    """The finished study's files up to its models, and the base's answers."""
    kept = tuple(f"results/{name}" for name in KEPT)
    base = "tiny-base/none/seed0/xstest.parquet"
    return [p for p in finished.made() if p.startswith(kept) or p.endswith(base)]
