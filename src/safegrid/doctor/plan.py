"""Submissions of a study under a profile, and the plugin's own call of sbatch for them.

Snakemake plans, so functions in rules, defaults and overrides are what they will be.
Jobs of a group are one submission; what it asks for is added up by Snakemake's own
function (of jobs side by side the sum, of layers behind each other the time).
"""

import logging
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace

from safegrid.core.errors import ConfigError, SafegridError
from safegrid.doctor.profile import Profile
from safegrid.runtime.plans import PlannedJob, parse_jobs
from safegrid.runtime.runs import SNAKEMAKE

log = logging.getLogger(__name__)

Resource = int | str
PAIR = re.compile(r", (?=\w+=)")
ERROR = re.compile(r"^\w*(?:Error|Exception)\b.*:", re.MULTILINE)
LINES = 8
# Written beside `mem_mb` and `disk_mb` in words.
IN_WORDS = {"mem", "disk", "mem_mib", "disk_mib", "tmpdir"}
TO_BE_DETERMINED = "<TBD>"
JOB_NAME = "safegrid-doctor"


@dataclass(frozen=True)
class Demand:
    """What one kind of submission asks for.

    `rules` counts its jobs by rule, `submissions` how many of this kind the study
    makes; `member_minutes` is the longest time that one of its jobs asks for.
    """

    rules: Mapping[str, int]
    resources: Mapping[str, Resource]
    submissions: int
    member_minutes: int

    @property
    def name(self) -> str:
        """Its rules, such as `train` or `1 cell_manifest_answers + 6 generate`."""
        if not self.is_group:
            return next(iter(self.rules))
        return " + ".join(f"{count} {rule}" for rule, count in self.rules.items())

    @property
    def is_group(self) -> bool:
        """Whether it is several jobs in one."""
        return sum(self.rules.values()) > 1

    @property
    def minutes(self) -> int:
        """The time that it asks for; 0 where nothing is asked."""
        return int(self.resources.get("runtime", 0))


def planned(profile: Profile, study: str, sources_dir: str | None) -> list[Demand]:
    """Plan a whole study, finished or not, and return what it would submit.

    Raises:
        ConfigError: Snakemake cannot plan it, or cannot make one job of a group.
    """
    command = [*SNAKEMAKE, "--dry-run", "--forceall", "--nolock"]
    command += ["--profile", profile.name, "--config", f"study={study}"]
    if sources_dir is not None:
        command.append(f"sources_dir={sources_dir}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = error_of(done.stderr + done.stdout)
        raise ConfigError(f"Snakemake cannot plan study {study!r}: {told}")
    jobs = parse_jobs(done.stdout + done.stderr)
    sent = [j for j in jobs if j.group is not None or j.rule in profile.submitted]
    return demands(sent, profile.args.cores)


def error_of(text: str) -> str:
    """Return what Snakemake says went wrong, without what it says before, and where."""
    found = list(ERROR.finditer(text))
    lines = (text[found[-1].start() :] if found else text).strip().splitlines()
    told = [line.strip() for line in lines if not line.lstrip().startswith("File ")]
    return " ".join(told[:LINES])


def demands(jobs: Iterable[PlannedJob], cores: int | None) -> list[Demand]:
    """Gather what jobs ask for, a group as one; equal demands are one."""
    submissions: dict[object, list[PlannedJob]] = {}
    for job in jobs:
        submissions.setdefault(job.group or id(job), []).append(job)
    alike: dict[object, list[list[PlannedJob]]] = {}
    for members in submissions.values():
        asked = sorted((job.rule, job.resources, job.threads) for job in members)
        alike.setdefault(tuple(asked), []).append(members)
    return [_demand(same[0], len(same), cores) for same in alike.values()]


def _demand(members: list[PlannedJob], submissions: int, cores: int | None) -> Demand:
    asked = [resources_of(job) for job in members]
    minutes = max(int(resources.get("runtime", 0)) for resources in asked)
    rules = Counter(job.rule for job in members)
    total = asked[0] if len(members) == 1 else _sum(members, cores)
    return Demand(rules, total, submissions, minutes)


def resources_of(job: PlannedJob) -> dict[str, Resource]:
    """Return what a job asks for; `_cores` are its threads."""
    pairs = (pair.partition("=") for pair in PAIR.split(job.resources))
    found = {
        name: int(value) if value.isdigit() else value
        for name, _, value in pairs
        if name and name not in IN_WORDS and value != TO_BE_DETERMINED
    }
    return {**found, "_cores": job.threads}


def _sum(members: list[PlannedJob], cores: int | None) -> dict[str, Resource]:
    """Let Snakemake add up what the jobs of a group ask for, in their layers."""
    from snakemake.exceptions import WorkflowError
    from snakemake.resources import GroupResources, Resource, Resources

    maker = {name: n for n, job in enumerate(members) for name in job.outputs}
    order = TopologicalSorter(
        {
            n: {maker[name] for name in job.inputs if name in maker}
            for n, job in enumerate(members)
        }
    )
    order.prepare()
    layers = []
    while ready := sorted(order.get_ready()):
        asked = (resources_of(members[n]) for n in ready)
        layers.append([SimpleNamespace(resources=r, pipe_group=None) for r in asked])
        order.done(*ready)
    limits = Resources({"_cores": Resource("_cores", cores)})
    try:
        total = GroupResources.basic_layered(layers, limits, run_local=False)
    except WorkflowError as error:
        names = ", ".join(sorted({job.rule for job in members}))
        raise ConfigError(f"group of {names}: {error}") from error
    return {name: value for name, value in total.items() if name not in IN_WORDS}


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
    """Return the account that is asked for, after the plugin has accepted it."""
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
