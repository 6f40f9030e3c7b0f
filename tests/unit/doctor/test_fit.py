"""Each limit that would keep a job pending for ever is named."""

from types import SimpleNamespace

import pytest

from safegrid.core.errors import SafegridError
from safegrid.doctor import preemption
from safegrid.doctor.fit import problems, request
from safegrid.doctor.plan import Demand
from safegrid.doctor.site import Gres, Node, Partition, Site


def node(name, *partitions, cpus=16, memory=100_000, gpus=4, features=(), state="IDLE"):
    gres = (Gres("gpu", "h200", gpus),) if gpus else ()
    return Node(
        name, frozenset(partitions), cpus, memory, gres, frozenset(features), state
    )


def partition(name, minutes=2880.0, tier=1, mode="REQUEUE", state="UP", default=False):
    return Partition(name, default, state, minutes, tier, mode)


SITE = Site(
    settings={"PreemptType": "preempt/partition_prio", "JobRequeue": "0"},
    partitions={
        "gpu": partition("gpu", default=True),
        "cpu": partition("cpu", mode="CANCEL"),
        "down": partition("down", state="DOWN"),
        "top": partition("top", tier=9),
    },
    nodes=(
        node("n1", "gpu", "top", features=["fast"]),
        node("n2", "gpu", "top", cpus=64, gpus=1),
        node("n3", "cpu", "down", "top", gpus=0, memory=900_000),
    ),
)


def told(rules=("train",), site=SITE, **resources):
    asked = {"_cores": 1, "mem_mb": 1000, "runtime": 60, **resources}
    demand = Demand(dict.fromkeys(rules, 1), asked, 1, 60)
    return [f.text for f in problems(demand, request(demand, site), site)]


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"gres": "gpu:4", "constraint": "fast"},
        {"gpu": 4, "gpu_model": "h200"},
        {"gpu": 8, "nodes": 2, "slurm_partition": "gpu", "gpu_model": "h200"}
        | {"gpu": 2},
        {"cpus_per_task": 64},
        {"slurm_partition": "cpu", "mem_mb": 900_000},
        {"runtime": 2880},
    ],
)
def test_what_fits_is_no_problem(resources):
    assert told(**resources) == []


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"slurm_partition": "gpus"}, "no partition 'gpus'; this site has cpu, down,"),
        ({"slurm_partition": "down"}, "partition down is DOWN"),
        ({"runtime": 2881}, "asks for 2881 min, and partition gpu allows 2880"),
        ({"gres": "gpu:a100:1"}, "no node of partition gpu has gpu:a100:1"),
        ({"gres": "gpu:5"}, "no node of partition gpu has gpu:5"),
        ({"mem_mb": 100_001}, "no node of partition gpu has 100001 MB of memory"),
        ({"cpus_per_task": 65}, "no node of partition gpu has 65 CPUs"),
        ({"mem_mb_per_cpu": 20_000, "_cores": 6}, "has 120000 MB of memory"),
        ({"constraint": "slow"}, "has the feature slow"),
        ({"gres": "gpu:2", "cpus_per_task": 32}, "has all at once: gpu:2, 32 CPUs"),
        ({"gres": "gpu:2", "nodes": 2}, "asks for 2 nodes"),
    ],
)
def test_a_limit_is_named(resources, text):
    (found,) = told(**resources)
    assert text in found


def test_every_limit_is_named_at_once():
    found = told(runtime=9999, mem_mb=10**9, gres="gpu:a100:1")
    assert len(found) == 3


def test_the_time_of_a_group_is_told_to_be_added_up():
    (found,) = told(rules=("generate", "inventory"), runtime=3000)
    assert "its 2 jobs ask for up to 60 min each and are added up" in found


def test_without_any_partition_to_take_that_is_told():
    site = Site({}, {"cpu": SITE.partitions["cpu"]}, SITE.nodes)
    with pytest.raises(SafegridError, match="no slurm_partition is asked for"):
        told(site=site)


def preempted(name, requeue=True, site=SITE):
    settings = SimpleNamespace(requeue=requeue, no_requeue=False)
    profile = SimpleNamespace(file="config.yaml", settings=lambda: settings)
    (found,) = preemption.look_at({name}, profile, site)
    return found.state, found.text


def test_preempted_jobs_must_go_back_into_the_queue():
    assert preempted("gpu")[0] == "ok"
    state, text = preempted("gpu", requeue=False)
    assert state == "fail"
    assert "slurm-requeue: true" in text


def test_a_partition_that_cancels_is_a_trap():
    state, text = preempted("cpu")
    assert state == "fail"
    assert "FOR EVER" in text


def test_the_first_partition_is_never_preempted():
    assert preempted("top", requeue=False)[0] == "ok"


def test_without_preemption_nothing_is_cancelled():
    site = Site({"PreemptType": "preempt/none"}, SITE.partitions, SITE.nodes)
    assert preempted("cpu", site=site)[0] == "ok"
