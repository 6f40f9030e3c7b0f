"""A dry run is read into what SLURM will be asked for."""

import pytest

from safegrid.core.errors import ConfigError, SafegridError
from safegrid.doctor.plan import (
    account_of,
    demands,
    error_of,
    resources_of,
    submit_line,
)
from safegrid.runtime.plans import parse_jobs

TEXT = """\
[Sun Nov 22 06:25:19 2026]
rule train:
    input: a, b
    output: model
    jobid: 1
    threads: 3
    resources: tmpdir=/tmp, disk_mb=<TBD>, mem_mb=64000, mem=64 GB, mem_mib=61036, \
runtime=1440, gres=gpu:1, slurm_extra=--nice=5, --hold
[Sun Nov 22 06:25:19 2026] Group job generate_b_none_0 (jobs in lexicogr. order):

    [Sun Nov 22 06:25:19 2026]
    rule generate:
        input: model, one
        output: r1
        resources: mem_mb=30000, runtime=100, gres=gpu:1
    rule generate:
        input: model, two
        output: r2
        resources: mem_mb=30000, runtime=90, gres=gpu:1
    rule generate:
        input: model, three
        output: r3
        resources: mem_mb=30000, runtime=80, gres=gpu:1
    rule inventory:
        input: r1, r2, r3
        output: inventory
        resources: mem_mb=1000, runtime=5, gres=gpu:1
[Sun Nov 22 06:25:19 2026]
rule score:
    input: r1
    output: score
    resources: mem_mb=1
"""


def test_jobs_are_read_with_their_group():
    jobs = parse_jobs(TEXT)
    group = "generate_b_none_0"
    assert [(j.rule, j.group) for j in jobs] == [
        ("train", None),
        *[("generate", group)] * 3,
        ("inventory", group),
        ("score", None),
    ]
    assert jobs[0].inputs == ["a", "b"]
    assert resources_of(jobs[0]) == {
        "mem_mb": 64000,
        "runtime": 1440,
        "gres": "gpu:1",
        "slurm_extra": "--nice=5, --hold",
        "_cores": 3,
    }


def test_a_group_takes_the_time_of_its_layers_and_the_memory_of_the_widest():
    group = next(d for d in demands(parse_jobs(TEXT), cores=2) if d.is_group)
    assert group.name == "3 generate + 1 inventory"
    # Two beside each other, then the third, then the inventory.
    assert group.minutes == 100 + 80 + 5
    assert group.member_minutes == 100
    assert group.resources["mem_mb"] == 60000
    assert group.resources["gres"] == "gpu:1"
    assert group.resources["_cores"] == 2
    text = TEXT + TEXT.replace("none_0", "dpo_0")
    counts = {d.name: d.submissions for d in demands(parse_jobs(text), cores=2)}
    assert counts == {"train": 2, "3 generate + 1 inventory": 2, "score": 2}


def test_of_a_failed_plan_only_the_error_is_told():
    text = (
        "Using profiles slurm\n    resources: mem_mb=1\nWorkflowError:\n"
        '    gres is a string\n  File "rules/common.smk", line 42, in <module>\n'
    )
    assert error_of(text) == "WorkflowError: gres is a string"
    assert error_of("killed") == "killed"


def test_a_group_whose_gpus_differ_cannot_be_one_job():
    text = TEXT.replace("runtime=80, gres=gpu:1", "runtime=80, gres=gpu:2")
    with pytest.raises(ConfigError, match=r"group of generate, inventory: .*gres"):
        demands(parse_jobs(text), cores=2)


@pytest.fixture
def line(make_profile):
    return lambda **resources: submit_line(resources, "gpu", make_profile())


def test_it_asks_for_what_a_job_of_the_study_asks_for(line):
    asked = {"mem_mb": 64000, "runtime": 1440, "gres": "gpu:h200:1", "_cores": 2}
    words = line(**asked)
    assert words[:2] == ["sbatch", "--parsable"]
    assert words[words.index("-p") + 1] == "gpu"
    assert words[words.index("-t") + 1] == "1440"
    assert words[words.index("--mem") + 1] == "64000"
    assert {"--gres=gpu:h200:1", "--cpus-per-task=2", "--requeue"} <= set(words)


@pytest.mark.parametrize(
    "resources",
    [{"gres": "gpu h200"}, {"slurm_extra": "--mem=1"}, {"nodes": 0}],
)
def test_what_the_plugin_refuses_is_told_before_a_job_is_submitted(line, resources):
    with pytest.raises(SafegridError):
        line(**resources)


def test_an_account_that_is_not_yours_is_refused_with_those_that_are(commands):
    commands("sacctmgr", "ours\ntheirs")
    assert account_of({"slurm_account": "ours"}) == "ours"
    assert account_of({}) == ""
    with pytest.raises(SafegridError, match=r"(?s)'nobody' is refused.*ours"):
        account_of({"slurm_account": "ours, nobody"})
