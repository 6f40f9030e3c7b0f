"""What a run does before its first job and after its last one."""

import signal
import subprocess

from snakemake.common import async_run

from safegrid.runtime import stale
from safegrid.core.errors import SafegridError
from safegrid.engine.launch import forks
from safegrid.runtime.job_server import start_server
from safegrid.runtime.faults import check_writable
from safegrid.core.files import below_results
from safegrid.study.prerequisites import refusal
from safegrid.study.prerequisites import preflight_command
from safegrid.runtime.runs import OWNER_PID, end_with_owner, record_owner


def check_places():
    """End a run that could write nothing before its first job."""
    try:
        check_writable()
    except SafegridError as error:
        raise WorkflowError(str(error)) from None


def check_prerequisites():
    """End a run before its first job where one of its jobs would find something missing.

    The network is asked only where something is to be fetched.
    """
    made = {named(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    found = prerequisites(UPSTREAMS, os.environ, lambda file: file not in made)
    if IN_BUCKET and (told := unmet(STUDY.name, found)):
        logger.warning(told)
    problem = refusal(STUDY.name, found)
    if any((p.kind, p.state) == ("network", "open") for p in found):
        own, blocks = STUDY.sources_dir, BASEDIR / "config"
        with preflight_command(STUDY.name, own, made, blocks) as command:
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            told = done.stderr.strip().removeprefix("error: ")
            problem = told or f"safegrid preflight ended with status {done.returncode}"
    if problem:
        raise WorkflowError(problem)


def named(file):
    """Return a result's name below the working directory, wherever the run keeps it."""
    return "/".join(below_results(Path(str(file))))


def follow_owner():
    """End with the process above this one, as a Ctrl-C would, if there is one."""
    if os.environ[OWNER_PID] == str(os.getpid()):
        return
    try:
        end_with_owner(lambda: os.kill(os.getpid(), signal.SIGINT))
    except SafegridError as error:
        raise WorkflowError(str(error)) from None


def fork_jobs():
    """Let jobs of this machine be forked, where engines are, too."""
    if forks():
        start_server()


def drop_job_rate():
    """Let jobs start without Snakemake's default limit of 100 a second.

    Under the limit each job that ends leaves a timer, which has all ready jobs looked at
    every second from then on: by the end of a study that takes a core. A limit that the
    user gave stays.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def tell_stale():
    logger.info(stale.described(stale.planned(workflow.dag, is_there)))


def is_there(file):
    return async_run(file.exists())


def stop_engines():
    shell("python -m safegrid stop-engines")


def print_rates():
    # In a bucket there is no timing of a job to be read here.
    if IN_BUCKET:
        return
    shell("python -m safegrid rates --study {STUDY.name:q}")
