"""What a run does before its first job and after its last one."""

import signal

from snakemake.common import async_run

from safegrid import stale
from safegrid.errors import SafegridError
from safegrid.faults import check_writable
from safegrid.runs import OWNER_PID, end_with_owner, record_owner


def check_places():
    """End a run that could write nothing before its first job."""
    try:
        check_writable()
    except SafegridError as error:
        raise WorkflowError(str(error)) from None


def follow_owner():
    """End with the process above this one, as a Ctrl-C would, if there is one."""
    if os.environ[OWNER_PID] == str(os.getpid()):
        return
    try:
        end_with_owner(lambda: os.kill(os.getpid(), signal.SIGINT))
    except SafegridError as error:
        raise WorkflowError(str(error)) from None


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
