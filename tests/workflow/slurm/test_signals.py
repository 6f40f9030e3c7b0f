"""A signal to `safegrid study` whose jobs are SLURM's: none is left in the queue."""

import signal

import pytest

from made_up_run import STUDY, MadeUpRun

PROFILE = """
executor: slurm
jobs: 2
slurm-jobname-prefix: safegrid
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 2
latency-wait: 10
default-resources:
  runtime: 5
  mem_mb: 1000
"""


@pytest.fixture
def made_up(cluster, tmp_path):
    """A run whose profile sends its long job to the cluster."""
    run = MadeUpRun(tmp_path)
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster/config.yaml").write_text(PROFILE)
    run.environment |= {
        "SLURM_CONF": str(cluster.conf),
        "PATH": f"{cluster.bin}:{run.environment['PATH']}",
        "SNAKEMAKE_PROFILE": "cluster",
    }
    yield run
    run.end()


def test_a_signal_cancels_what_was_submitted(made_up, cluster):
    process = made_up.start(*STUDY)
    # The cluster remembers the ended jobs of other tests.
    assert [state for _, state, _ in at_work(cluster)] == ["RUNNING"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    assert "the run was ended by SIGTERM; start again" in made_up.said
    made_up.assert_ended()
    cluster.wait_for(lambda: not at_work(cluster) or None, "an empty queue")
    made_up.finish(STUDY)


def at_work(cluster):
    """The jobs that have not ended."""
    return cluster.jobs("--states=R,PD,CG")
