"""The doctor's call of sbatch is the plugin's own, and so is its view of accounts."""

import pytest

from safegrid.core.errors import SafegridError
from safegrid.doctor.submit import account_of, submit_line


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
    with pytest.raises(SafegridError, match=r"(?s)'nobody' is refused.*ours"):
        account_of({"slurm_account": "ours, nobody"})


def test_without_an_account_nothing_is_asked(no_slurm):
    assert account_of({}) == ""
