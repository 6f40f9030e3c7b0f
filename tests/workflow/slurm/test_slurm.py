"""The small study on a cluster: the same results, in few jobs, whatever happens.

And a signal to `safegrid study` whose jobs are SLURM's: none is left in the queue.
"""

import os
import shutil
import signal

import pytest

from made_up_run import STUDY, MadeUpRun
from safegrid.train.lease import WHOLE

TABLES = "results/tiny/tables/main.csv"
MODEL = "results/tiny/models/tiny-base/{}/seed0"
CELL = "tiny-base/dpo/seed0/alert"
BY_NAME = ("recipe=dpo", "benchmark=alert")
# One a trained model, one a model for all its cells of a stage, one a measured judge,
# one a base for its judge of fluency.
JOBS = {
    "reference": 1,
    "train": 1,
    "validate_judge": 2,
    "calibrate": 1,
    "generate": 2,
    "judge": 2,
}


def stage(comment):
    """The stage of a job, whose comment names the rules of its group."""
    return next(name for name in JOBS if f"_{name}" in f"_{comment}")


def running(login, stage_name):
    """The number of a job of a stage that runs now, or None."""
    for number, state, comment in login.cluster.jobs():
        if state == "RUNNING" and f"_{stage_name}" in comment:
            return number
    return None


@pytest.fixture(scope="module")
def whole(make_login):
    """A study from its pairs to a page of tables; the first training is cancelled."""
    login = make_login("whole")
    login.tree.shrink()
    for folder in ("results/tiny", "logs/tiny", "logs/timing/tiny"):
        shutil.rmtree(login.folder / folder)
    with (login.folder / "profiles/slurm/job.sh").open("a") as hook:
        hook.write('touch "hook-$SLURM_JOB_ID"\n')
    # Other pages are made as these are.
    login.tree.stop_at(TABLES)
    process = login.start("all", log="run.txt")
    login.cancelled = login.cluster.wait_for(
        lambda: running(login, "train"), "training"
    )
    login.cluster.call("scancel", login.cancelled)
    login.status = process.wait()
    login.said = (login.folder / "run.txt").read_text()
    login.jobs = login.submitted()
    return login


def test_the_grid_has_the_scores_of_a_run_on_one_machine(whole, finished):
    assert whole.status == 0, whole.said
    assert whole.tree.differing(finished, "results/tiny/scores") == []


def test_a_cancelled_job_is_reported_and_submitted_again(whole):
    assert "SLURM status is: 'CANCELLED'" in whole.said
    assert whole.said.count("Trying to restart job") == 1


def test_the_cells_of_a_model_are_one_job_of_a_stage(whole):
    stages = [stage(comment) for comment in whole.jobs.values()]
    again = {"train": 1}
    assert {name: stages.count(name) - again.get(name, 0) for name in JOBS} == JOBS


def test_what_a_site_does_first_is_done_in_every_job(whole):
    told = {path.name for path in whole.folder.glob("hook-*")}
    # The cancelled one may have ended before its command began.
    expected = {f"hook-{number}" for number in whole.jobs if number != whole.cancelled}
    assert told - {f"hook-{whole.cancelled}"} == expected


def test_light_rules_stay_on_the_login_node_and_others_are_told_their_gpu(whole):
    logs = whole.folder / "logs/tiny"
    # Every log of a job on a node begins with the place.
    for rule in ("score", "tokenize", "render", "collect", "write_tables"):
        told = [*logs.glob(f"{rule}*/**/*.log"), *logs.glob(f"{rule}.log")]
        assert told, rule
        assert not [path for path in told if "SLURM job" in path.read_text()], rule
    for rule in ("train", "generate", "judge", "capability", "reference"):
        for path in (logs / rule).rglob("*.log"):
            assert "GPUs: 0" in path.read_text(), path


def test_a_second_run_submits_nothing(whole):
    said = whole.tree.call(*whole.command("all"))
    assert "Nothing to be done" in said
    assert whole.submitted() == whole.jobs


@pytest.fixture(scope="module")
def other(make_login):
    """A finished copy whose cells are asked for one by one."""
    return make_login("cells")


def test_a_run_that_was_killed_is_ended_as_the_page_says_and_goes_on(other, finished):
    other.forget(CELL)
    process = other.start("cell", log="killed.txt", options=BY_NAME)
    number = other.cluster.wait_for(
        lambda: next(iter(other.submitted()), None), "job of the cell"
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert number in {n for n, s, _ in other.cluster.jobs() if s != "CANCELLED"}
    said = other.tree.call(*other.tree.safegrid("end-run"))
    assert f"cancelled SLURM job {number}" in said
    other.cluster.wait_for_state(number, "CANCELLED")
    other.tree.call("snakemake", "--unlock", "--config", "study=tiny")
    other.tree.call(*other.command("cell", options=BY_NAME))
    # One job each time: a cell asked for by name is one.
    assert len(other.submitted()) == 2
    for kind in ("responses", "scores", "verdicts/tiny-guard"):
        file = f"results/tiny/{kind}/{CELL}.parquet"
        assert other.tree.read(file) == finished.read(file)


def test_a_node_that_vanishes_costs_its_job_a_second_start(other, finished):
    before = set(other.submitted())
    other.forget(CELL)
    process = other.start("cell", log="vanished.txt", options=BY_NAME)
    (number,) = other.cluster.wait_for(
        lambda: set(other.submitted()) - before, "job of the cell"
    )
    node = other.cluster.wait_for(
        lambda: other.cluster.call("squeue", "-h", "-j", number, "-o", "%N").strip(),
        "node of the job",
    )
    other.cluster.kill_node(node)
    try:
        # SLURM notices by itself (SlurmdTimeout); the other node takes over.
        status = process.wait(timeout=900)
    finally:
        other.cluster.start_node(node)
    assert status == 0, (other.folder / "vanished.txt").read_text()
    file = f"results/tiny/scores/{CELL}.parquet"
    assert other.tree.read(file) == finished.read(file)


def test_a_preempted_training_goes_on_from_its_checkpoint(other):
    with long_training(other, "long", max_steps=60, save_steps=4):
        target = MODEL.format("long")
        process = other.start(target, log="preempted.txt")
        cache = other.folder / "results/tiny/cache/checkpoints"
        other.cluster.wait_for(
            lambda: list(cache.glob(f"*/checkpoint-*/{WHOLE}")), "checkpoint"
        )
        number = running(other, "train")
        urgent = ["-p", "urgent", "-N", "2", "--gres=gpu:1", "--output", "/dev/null"]
        urgent = other.cluster.call(
            "sbatch", "--parsable", *urgent, "--wrap", "sleep 1"
        )
        for job, state in ((number, "PENDING"), (urgent.strip(), "COMPLETED")):
            other.cluster.wait_for_state(job, state)
        # SLURM waits two minutes before it starts a preempted job again.
        other.cluster.call("scontrol", "update", f"JobId={number}", "StartTime=now")
        status = process.wait(timeout=900)
    said = (other.folder / "preempted.txt").read_text()
    assert status == 0, said
    assert other.tree.facts(target)["resumed"] is True
    assert "Trying to restart" not in said


def test_a_training_spans_the_nodes_of_its_job(other):
    profile = "profiles/slurm/config.yaml"
    kind = "  train: &train\n"
    with (
        other.tree.edited(
            profile, lambda text: text.replace(kind, f"{kind}    nodes: 2\n")
        ),
        long_training(
            other, "wide", max_steps=4, processes=2, per_device_train_batch_size=4
        ),
    ):
        target = MODEL.format("wide")
        other.tree.call(*other.command(target))
    assert other.tree.facts(target)["run"]["processes"] == 2
    log = other.tree.read("logs/tiny/train/tiny-base/wide/seed0.log")
    assert all(place in log for place in (b"on node1", b"on node2"))


def long_training(login, name, **training):
    """Add a recipe for as long as the block runs."""
    recipe = {"method": "dpo", "dataset": "safety", "training": training}
    return login.tree.with_study(lambda study: study["recipes"].update({name: recipe}))


# ------------------------------------------------------------------ signals

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
    path = f"{cluster.bin}:{run.environment['PATH']}"
    run.environment |= {**cluster.environment, "PATH": path}
    run.environment["SNAKEMAKE_PROFILE"] = "cluster"
    yield run
    run.end()


def test_a_signal_cancels_what_was_submitted(made_up, cluster):
    process = made_up.start(*STUDY)
    # The cluster remembers the ended jobs of other tests.
    at_work = "--states=R,PD,CG"
    assert [state for _, state, _ in cluster.jobs(at_work)] == ["RUNNING"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    assert "the run was ended by SIGTERM; start again" in made_up.said
    made_up.assert_ended()
    cluster.wait_for(lambda: not cluster.jobs(at_work), "an empty queue")
    made_up.finish(STUDY)
