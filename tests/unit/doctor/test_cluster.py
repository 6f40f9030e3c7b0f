"""What SLURM tells of a site, and what becomes of jobs there."""

import math
from dataclasses import replace

import pytest

from safegrid.doctor.cluster import (
    check_demand,
    check_preemption,
    parse,
    parse_minutes,
)
from safegrid.doctor.plan import Demand

SETTINGS = """\
Configuration data as of 2026-01-01T00:00:00
AccountingStorageType   = (null)
MinJobAge               = 300 sec
PreemptType             = preempt/partition_prio
JobRequeue              = 0
"""
PARTITIONS = """\
PartitionName=gpu AllowGroups=ALL Default=YES MaxTime=2-00:00:00 MinNodes=0 \
Nodes=n[1-2] PriorityTier=1 PreemptMode=REQUEUE State=UP TotalCPUs=32
PartitionName=cpu MaxTime=2-00:00:00 PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=down MaxTime=UNLIMITED PriorityTier=1 State=DOWN
PartitionName=top Default=NO MaxTime=UNLIMITED PriorityTier=9 PreemptMode=OFF State=UP
"""
NODES = "gpu n1\ngpu n2\ncpu n3\ndown n3\ntop n1\ntop n3\n"


@pytest.fixture
def site():
    return parse(SETTINGS, PARTITIONS, NODES)


def test_a_site_is_read(site):
    assert site.setting("MinJobAge") == "300 sec"
    assert site.setting("AccountingStorageType") == ""
    assert site.setting("NotThere") == ""
    gpu, down = site.partitions["gpu"], site.partitions["down"]
    assert (gpu.minutes, gpu.default, gpu.preempt_mode) == (2880, True, "REQUEUE")
    assert (down.minutes, down.default, down.state) == (math.inf, False, "DOWN")
    assert site.nodes["top"] == {"n1", "n3"}
    assert parse_minutes("01:30:00") == 90


@pytest.fixture
def told(site, commands, make_profile):
    """Return a caller for what is found of a job on a cluster that says yes, or no."""

    def call(rules=("train",), status=0, site=site, **resources):
        commands("sbatch", "", status)
        commands("sinfo", "2 x 16 CPUs, 500000 MB, gpu:h200:1, idle")
        asked = {"_cores": 1, "mem_mb": 1000, "runtime": 60, **resources}
        demand = Demand(dict.fromkeys(rules, 1), asked, 1, 60)
        return [(f.state, f.text) for f in check_demand(demand, site, make_profile())]

    return call


def test_what_slurm_refuses_is_told_with_what_there_is(told):
    (late, (state, text)) = told(status=1, gres="gpu:a100:1", runtime=2881)
    assert late[0] == state == "fail"
    assert "asks partition gpu for gres gpu:a100:1, mem_mb 1000" in text
    assert "sbatch" in text
    assert text.endswith("it has 2 x 16 CPUs, 500000 MB, gpu:h200:1, idle")


def test_what_slurm_takes_is_fine(told):
    taken = "partition gpu takes gres gpu:4, mem_mb 1000, runtime 60"
    assert told(gres="gpu:4") == [("ok", taken)]


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"slurm_partition": "gpus"}, "no partition 'gpus'; this site has cpu, down,"),
        ({"slurm_partition": "down"}, "partition down is DOWN"),
        ({"runtime": 2881}, "asks for 2881 min, and partition gpu allows 2880"),
        ({"gres": "gpu h200"}, "Invalid GRES format"),
    ],
)
def test_what_slurm_would_take_and_never_start_is_named(told, resources, text):
    ((state, found),) = told(**resources)
    assert state == "fail"
    assert text in found


def test_the_time_of_a_group_is_told_to_be_added_up(told):
    ((_, found),) = told(rules=("generate", "inventory"), runtime=3000)
    assert "its 2 jobs ask for up to 60 min each and are added up" in found


def test_without_any_partition_to_take_that_is_told(told, site):
    cpu = {"cpu": replace(site.partitions["cpu"], default=False)}
    ((_, found),) = told(site=replace(site, partitions=cpu))
    assert "no slurm_partition is asked for" in found


@pytest.mark.parametrize(
    ("partition", "requeue", "state", "text"),
    [
        ("gpu", True, "ok", "go back into the queue"),
        ("gpu", False, "fail", "slurm-requeue: true"),
        ("cpu", True, "fail", "FOR EVER"),
        ("top", False, "ok", "never preempted"),
    ],
)
def test_preempted_jobs_must_go_back_into_the_queue(
    site, make_profile, partition, requeue, state, text
):
    profile = make_profile(requeue=requeue)
    (found,) = check_preemption([partition], profile, site)
    assert found.state == state
    assert text in found.text
    never = replace(site, settings={"PreemptType": "preempt/none"})
    (found,) = check_preemption([partition], profile, never)
    assert found.state == "ok"
