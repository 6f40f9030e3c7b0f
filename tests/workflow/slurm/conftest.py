"""A cluster for the tests of this folder, and trees whose jobs go there."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from slurm_cluster import Cluster, missing

# Polls often: the profile's own settings are for clusters whose jobs take hours.
QUICKLY = [
    *["--slurm-init-seconds-before-status-checks", "2"],
    *["--seconds-between-status-checks", "1", "--latency-wait", "10"],
]


def pytest_itemcollected(item):
    """Whatever lies here needs what not every machine has."""
    item.add_marker("remote")


class Login:
    """A finished copy of the repository on the cluster's login node."""

    def __init__(self, tree, cluster):
        self.tree = tree
        self.cluster = cluster
        self.folder = tree.folder
        path = f"{cluster.bin}{os.pathsep}{tree.environment['PATH']}"
        tree.environment |= {**cluster.environment, "PATH": path}

    def command(self, *words, options=()):
        """Return `snakemake --profile slurm` for the study `tiny`."""
        config = ["--config", "study=tiny", *options]
        return ["snakemake", "--profile", "slurm", *QUICKLY, *config, "--", *words]

    def start(self, *words, log, **more):
        """Start it in the background."""
        return self.tree.start(*self.command(*words, **more), log=log)

    def submitted(self):
        """Return the jobs that SLURM has seen from this folder: number to rule."""
        jobs = self.cluster.call("squeue", "-h", "--states=all", "-o", "%i|%Z|%k")
        found = (job.split("|") for job in jobs.splitlines())
        return {
            number: comment.removeprefix("rule_").partition("_wildcards_")[0]
            for number, folder, comment in found
            if folder == str(self.folder)
        }

    def forget(self, cell):
        """Remove what a cell is made of, and what was kept of its answers."""
        root = self.folder / "results/tiny"
        for kind in ("responses", "scores", "verdicts/*", "cell_manifests/*"):
            for path in root.glob(f"{kind}/{cell}.parquet"):
                path.unlink()
        for path in root.glob(f"cache/**/{cell}"):
            path.unlink()


@pytest.fixture(scope="session")
def cluster():
    """A SLURM of two nodes."""
    if missing():
        pytest.skip(f"SLURM is not installed here: {', '.join(missing())} not found")
    # Munge wants a folder that everybody may enter, which pytest's own are not.
    with TemporaryDirectory(prefix="slurm-") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder) / "cluster")
        try:
            yield cluster.start()
        finally:
            cluster.end()


@pytest.fixture(scope="session")
def make_login(finished, cluster, tmp_path_factory):
    """Return a maker of finished copies whose jobs go to the cluster."""

    def make(name):
        tree = finished.copy(tmp_path_factory.mktemp("login") / name)
        return Login(tree, cluster)

    return make
