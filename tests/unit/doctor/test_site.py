"""What scontrol prints is read as it is meant."""

import math
from dataclasses import replace

import pytest

from safegrid.core.errors import SafegridError
from safegrid.doctor.site import Gres, missing_commands, parse, parse_gres
from safegrid.doctor.site import parse_minutes as minutes

SETTINGS = """\
Configuration data as of 2026-01-01T00:00:00
AccountingStorageType   = (null)
MinJobAge               = 300 sec
PreemptType             = preempt/partition_prio
"""
PARTITIONS = """\
PartitionName=gpu AllowGroups=ALL Default=YES MaxTime=2-00:00:00 MinNodes=0 \
Nodes=n[1-2] PriorityTier=1 PreemptMode=REQUEUE State=UP TotalCPUs=32
PartitionName=long Default=NO MaxTime=UNLIMITED PriorityTier=2 PreemptMode=OFF \
State=DOWN
"""
NODES = """\
NodeName=n1 Arch=x86_64 CPUTot=16 AvailableFeatures=a,b \
Gres=gpu:h200:4(S:0-1,3),shard:8 OS=Linux 6.1 #1 SMP @0  \
RealMemory=1000 State=IDLE+DRAIN Partitions=gpu,long  \
MemSpecLimit=100 Reason=bad disk [root@x]
NodeName=n2 CPUEfctv=14 CPUTot=16 AvailableFeatures=(null) Gres=(null) \
RealMemory=2000 State=MIXED Partitions=gpu
"""


@pytest.fixture
def site():
    return parse(SETTINGS, PARTITIONS, NODES)


def test_settings_are_plain_words(site):
    assert site.setting("MinJobAge") == "300 sec"
    assert site.setting("AccountingStorageType") == ""
    assert site.setting("NotThere") == ""


def test_partitions_have_their_limits(site):
    gpu, long = site.partitions["gpu"], site.partitions["long"]
    assert (gpu.minutes, gpu.default, gpu.preempt_mode) == (2880, True, "REQUEUE")
    assert (long.minutes, long.default, long.state) == (math.inf, False, "DOWN")


def test_nodes_have_what_jobs_may_take(site):
    first, second = site.nodes
    assert (first.cpus, first.memory) == (16, 900)
    assert (second.cpus, second.memory) == (14, 2000)
    assert first.gres == (Gres("gpu", "h200", 4), Gres("shard", None, 8))
    assert second.gres == ()
    assert {"a", "b"} <= first.features
    assert [n.is_away for n in site.nodes] == [True, False]
    assert [n.name for n in site.nodes_of("gpu")] == ["n1", "n2"]
    assert [n.name for n in site.nodes_of("long")] == ["n1"]


@pytest.mark.parametrize(
    ("state", "away"),
    [
        ("IDLE", False),
        ("MIXED+PLANNED", False),
        ("IDLE+CLOUD+POWERED_DOWN", False),
        ("DOWN", True),
        ("IDLE*", True),
        ("MIXED+DRAIN", True),
        ("IDLE+MAINT", True),
    ],
)
def test_a_node_is_away_when_no_job_can_start_there(site, state, away):
    assert replace(site.nodes[0], state=state).is_away is away


@pytest.mark.parametrize(
    ("asked", "there"),
    [("gpu:4", True), ("gpu:5", False), ("gpu:h200:2", True), ("gpu:a100:1", False)],
)
def test_a_model_is_asked_for_or_any(site, asked, there):
    (wanted,) = parse_gres(asked)
    assert site.nodes[0].has(wanted) is there


def test_a_kind_alone_is_one_of_it():
    assert parse_gres("gpu") == (Gres("gpu", None, 1),)
    assert parse_gres("gpu:h200") == (Gres("gpu", "h200", 1),)


def test_time_limits():
    assert minutes("01:30:00") == 90
    assert minutes("7-12:00:00") == 7.5 * 24 * 60
    assert minutes("UNLIMITED") == math.inf


def test_a_machine_without_slurm_is_seen(no_slurm):
    assert missing_commands() == ["sbatch", "squeue", "scancel", "scontrol", "sinfo"]


def test_an_error_of_a_command_is_one_sentence(no_slurm):
    from safegrid.doctor.site import ask

    with pytest.raises(SafegridError, match="sinfo is not installed here"):
        ask("sinfo")
