"""The doctor on a real SLURM: all is well, or each thing that is wrong is named."""

import re

import pytest

from safegrid.doctor.cluster import read_site
from safegrid.doctor.plan import Demand
from safegrid.doctor.probe import look_at
from safegrid.doctor.profile import read_profile

PROFILE = "profiles/slurm/config.yaml"
DOCTOR = ("doctor", "--profile", "slurm")


@pytest.fixture(scope="module")
def login(make_tree, cluster, tmp_path_factory):
    """A copy of the repository in which nothing was run, on the login node."""
    tree = make_tree(tmp_path_factory.mktemp("doctor") / "repository")
    path = f"{cluster.bin}:{tree.environment['PATH']}"
    tree.environment |= {**cluster.environment, "PATH": path}
    return tree


@pytest.fixture
def here(login, monkeypatch):
    """This process stands where the login node's user does."""
    monkeypatch.chdir(login.folder)
    for name, value in login.environment.items():
        monkeypatch.setenv(name, value)
    return login


def lines(text, state):
    return [line for line in text.splitlines() if line.startswith(f"{state} ")]


def test_a_healthy_cluster_passes_every_check(login, cluster):
    text = login.call(*login.safegrid(*DOCTOR, "--study", "tiny"))
    assert lines(text, "fail") == lines(text, "skip") == []
    # Device files stand in for GPUs, which have no driver.
    (warned,) = lines(text, "warn")
    assert "no NVIDIA driver" in warned
    fine = "\n".join(lines(text, "ok"))
    assert "profile: --profile slurm is profiles/slurm/config.yaml" in fine
    assert re.search(r"SLURM: [\d.]+, 2 nodes, partitions gpu, urgent", fine)
    assert "status command: squeue, and ended jobs are remembered for 3600 s" in fine
    takes = "takes gres gpu:1, cpus_per_task 8, mem_mb 64000, runtime 1440"
    assert f"train: partition gpu {takes}" in fine
    assert "1 capability + 1 cell_manifest_answers + 4 generate: partition gpu" in fine
    assert re.search(r"node of partition gpu, gpu:1: ran on node[12]; ", fine)
    assert "results/ is the same folder as here" in fine
    assert "HF_HUB_OFFLINE is 1" in fine
    assert "locks hold" in fine
    # It leaves nothing: no job, no file.
    assert cluster.jobs("--states=R,PD") == []
    assert login.made() == []
    assert list((login.folder / ".snakemake/safegrid-doctor").iterdir()) == []


def test_whatever_a_profile_asks_in_vain_is_named_at_once(login):
    def break_it(profile):
        asked = profile["set-resources"]
        asked["train"] |= {"slurm_partition": "gpus"}
        asked["reference"] = {**asked["reference"], "gres": "'gpu:a100:1'"}
        asked["reference"].pop("slurm_partition", None)
        asked["validate_judge"] = {**asked["validate_judge"], "mem_mb": 600_000}
        asked["generate"] = {**asked["generate"], "runtime": 2000}
        asked["build_world"] = {**asked["build_world"], "cpus_per_task": 17}
        profile["slurm-init-seconds-before-status-checks"] = 1500

    with login.with_yaml(PROFILE, break_it):
        doctor = login.safegrid(*DOCTOR, "--study", "tiny", "--no-probe")
        done = login.run(*doctor)
    assert done.returncode == 1
    failed = "\n".join(lines(done.stdout, "fail"))
    assert "train: there is no partition 'gpus'; this site has gpu, urgent" in failed
    cannot = "Requested node configuration is not available; it has 2 x 16 CPUs,"
    for asked in (
        "reference: asks partition gpu for gres gpu:a100:1",
        "validate_judge: asks partition gpu for gres gpu:1, mem_mb 600000",
        "build_world: asks partition gpu for cpus_per_task 17",
    ):
        (line,) = [line for line in failed.splitlines() if asked in line]
        assert cannot in line
    assert "asks for 4125 min, and partition gpu allows 2880" in failed
    assert "status command: the profile says squeue, but MinJobAge is 3600 s" in failed
    assert "keeps no accounts" in failed
    assert lines(done.stdout, "skip") == ["skip nodes: not looked at, as asked"]


def probe(patience=60, **resources):
    demand = Demand({"train": 1}, resources, 1, 0)
    found = look_at([demand], read_site(), read_profile("slurm"), patience)
    return [(f.state, f.text) for f in found]


def test_what_a_job_script_breaks_is_seen_from_the_node(here):
    broken = "\nexport HF_HUB_OFFLINE=0 SAFEGRID_RUN_DIR=/dev/null/engines\n"
    with here.edited("profiles/slurm/job.sh", lambda text: text + broken):
        found = "\n".join(text for state, text in probe() if state == "fail")
    assert "HF_HUB_OFFLINE is '0'" in found
    assert "locks do not hold where engines are registered: /dev/null/engines" in found


def test_a_probe_that_does_not_start_is_cancelled(here, cluster):
    nodes = "NodeName=node1,node2"
    cluster.call("scontrol", "update", nodes, "State=DRAIN", "Reason=test")
    try:
        ((state, text),) = probe(patience=1)
        assert cluster.jobs("--states=R,PD") == []
    finally:
        cluster.call("scontrol", "update", nodes, "State=RESUME")
    assert state == "warn"
    assert "did not start in time" in text
