"""What a run does before its first job and after its last one."""

from snakemake.common import async_run

from safegrid import stale
from safegrid.errors import SafegridError
from safegrid.faults import check_writable
from safegrid.runs import record_owner


def check_places():
    """End a run that could write nothing before its first job."""
    try:
        check_writable()
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
    shell(f"python -m safegrid rates --study {STUDY.name}")
