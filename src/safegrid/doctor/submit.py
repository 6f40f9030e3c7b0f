"""The plugin's own call of sbatch, for whatever resources a job asks for."""

import logging
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

from safegrid.core.errors import SafegridError
from safegrid.doctor.plan import Resource
from safegrid.doctor.profile import Profile

log = logging.getLogger(__name__)
JOB_NAME = "safegrid-doctor"


def submit_line(
    resources: Mapping[str, Resource],
    partition: str,
    profile: Profile,
    output: Path | str = "/dev/null",
) -> list[str]:
    """Return the words of the plugin's own sbatch call for such resources.

    Raises:
        SafegridError: the plugin refuses them, or the account.
    """
    from snakemake.iocontainers import ResourceList
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
    from snakemake_interface_common.exceptions import WorkflowError

    account = account_of(resources)
    job = SimpleNamespace(
        resources=ResourceList(fromdict=dict(resources)),
        threads=resources.get("_cores", 1),
        name=JOB_NAME,
    )
    params = {
        "run_uuid": JOB_NAME,
        "slurm_logfile": str(output),
        "comment_str": JOB_NAME,
        "account": f"-A {shlex.quote(account)}" if account else "",
        "partition": f"-p {shlex.quote(partition)}",
        "workdir": str(Path.cwd()),
    }
    try:
        validate_slurm_extra(job)
        line = get_submit_command(job, params, profile.settings())
        line += set_gres_string(job)
    except WorkflowError as error:
        raise SafegridError(str(error)) from error
    return shlex.split(line)


def account_of(resources: Mapping[str, Resource]) -> str:
    """Return the account that is asked for, after the plugin has accepted it.

    Raises:
        SafegridError: it does not, so that every submission would fail.
    """
    from snakemake_executor_plugin_slurm.accounts import validate_account
    from snakemake_interface_common.exceptions import WorkflowError

    names = re.split(r"[,\s]+", str(resources.get("slurm_account", "")))
    for name in filter(None, names):
        try:
            validate_account(name, log)
        except (WorkflowError, FileNotFoundError) as error:
            told = " ".join(str(error).split())
            raise SafegridError(
                f"slurm_account {name!r} is refused: {told} Correct it, or leave it"
                " out where the site keeps no accounts"
            ) from error
    return names[0]
