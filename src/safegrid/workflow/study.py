"""`make study`: run a study to its report and tell the user what to expect and find."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.core.errors import SafegridError
from safegrid.runtime.faults import check_writable
from safegrid.runtime.plans import Plan, parse_plan
from safegrid.runtime.runs import SNAKEMAKE, write_owner
from safegrid.runtime.slurm import cancel_jobs
from safegrid.study.prerequisites import preflight_command
from safegrid.study.upstreams import check_sources_dir
from safegrid.workflow.failures import damaged, failures, newest_log
from safegrid.workflow.lock import clear_crashed_run
from safegrid.workflow.supervisor import RunEndedError, Supervisor

# On more cores than the table of costs was measured on, nothing is known.
MEASURED_CORES = 2
MINIATURE = "mini-base"
# The rules that use the network.
FETCHING = {"fetch_source", "fetch_base", "fetch_judge", "fetch_encoder", "fetch_gguf"}


def run_study(
    study: Name,
    cores: int,
    sources_dir: str | None = None,
    rebuild_damaged: bool = False,
) -> int:
    """Run a study as plain `snakemake` would, healing what a crash left behind.

    All that it needs from outside is listed and looked at before anything starts, and
    what comes from the network is fetched first. A signal ends it with all that it
    started. Returns Snakemake's exit status, non-zero too where only a partial report
    was made, or that of a process that the signal ended.

    Args:
        study: a file of config/studies.
        cores: jobs at a time.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        rebuild_damaged: make again what is not as it was written, and what is behind
            it; all results are read for that.

    Raises:
        SafegridError: the folder is locked by a run that may still be at work, or
            nothing can be written there; or `sources_dir` is no folder to Snakemake.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    check_sources_dir(sources_dir)
    try:
        with Supervisor() as supervisor:
            run = _Run(supervisor, study, cores, sources_dir)
            return run.to_its_end(rebuild_damaged)
    except RunEndedError as end:
        _tell_of_end(study, end)
        return end.status


@dataclass(frozen=True)
class _Run:
    """A study's calls of Snakemake, each with the same options."""

    supervisor: Supervisor
    study: str
    cores: int
    sources_dir: str | None

    def to_its_end(self, rebuild_damaged: bool) -> int:
        """Fetch, make every result, say where they lie; return the exit status."""
        if clear_crashed_run():
            self._snakemake("--unlock", "--quiet")
        forced = self._forced() if rebuild_damaged else []
        planned = self._snakemake(*forced, "--dry-run", capture=True)
        told = planned.stdout + planned.stderr
        if planned.returncode:
            print(told, file=sys.stderr)
            return planned.returncode
        plan = parse_plan(told, "`snakemake --dry-run`")
        if not plan:
            print(f"study {self.study}: nothing to do, every result is up to date")
            _say_where(self.study)
            return 0
        check_writable()
        bases = load_config(Path("config"), self.study).study.bases
        print(describe(self.study, plan, self.cores, bases), flush=True)
        status = self._fetch(plan)
        return status or self._make(forced)

    def _fetch(self, made: Plan) -> int:
        """Look at what is needed from outside and fetch it, before all other jobs."""
        with preflight_command(self.study, self.sources_dir, made) as preflight:
            if self.supervisor.call(preflight).returncode:
                return 1
        # The workflow writes the same when it starts its first job. Before that it
        # takes the lock, and a kill in between must not leave a lock without an owner.
        write_owner(self.supervisor.run, os.getpid())
        fetched = [file for file, job in made.items() if job.rule in FETCHING]
        status = self._snakemake(targets=fetched).returncode if fetched else 0
        if status:
            self._tell_of_failure(newest_log())
        return status

    def _make(self, forced: Sequence[str]) -> int:
        """Make every result, or what the finished cells allow."""
        status = self._snakemake(*forced).returncode
        if status == 0:
            _say_where(self.study)
            return 0
        log = newest_log()
        partial = self._snakemake(targets=["report_partial"])
        # Last, because what was said above scrolls away and logs of machines are cut.
        self._tell_of_failure(log)
        if partial.returncode == 0:
            print(
                f"what the finished cells allow is in results/{self.study}/partial/,"
                " blanks with their reason. Mend the cause and start again: finished"
                " cells are kept."
            )
        return status

    def _forced(self) -> list[str]:
        """Return the options that make damaged results again; name those."""
        summary = self._snakemake("--summary", capture=True)
        if summary.returncode:
            told = f"study {self.study}: cannot be planned:\n{summary.stderr}"
            raise SafegridError(told)
        found = dict(damaged(summary.stdout))
        print(f"study {self.study}: damaged results: {len(found)}")
        for path, fault in found.items():
            print(f"  {path}: {fault}")
        return ["--forcerun", *map(str, found)] if found else []

    def _tell_of_failure(self, log: Path | None) -> None:
        found = [] if log is None else failures(log)
        print("\n".join([f"study {self.study}: failed jobs: {len(found)}", *found]))

    def _snakemake(
        self, *options: str, targets: Sequence[str] = (), capture: bool = False
    ) -> subprocess.CompletedProcess[str]:
        # The values of one option end where the next one begins.
        command = [*SNAKEMAKE, *options, "--cores", str(self.cores)]
        command += ["--config", f"study={self.study}"]
        if self.sources_dir is not None:
            command.append(f"sources_dir={self.sources_dir}")
        return self.supervisor.call([*command, "--", *targets], capture)


def _tell_of_end(study: str, end: RunEndedError) -> None:
    """Cancel what Snakemake may have left in a queue, and say what is kept."""
    said = f"{end}; start again to go on: finished cells, answers and checkpoints are"
    said += " kept"
    try:
        cancelled = cancel_jobs(wait=False)
    except SafegridError as error:
        said += f"\n{error}"
    else:
        said += f"; cancelled SLURM jobs: {', '.join(cancelled)}" if cancelled else ""
    # A closed terminal takes no more words.
    with suppress(OSError):
        print(f"study {study}: {said}", file=sys.stderr, flush=True)


def _say_where(study: str) -> None:
    root = f"results/{study}"
    print(f"tables:  {root}/tables/\nfigures: {root}/figures/")
    print(f"report:  {root}/report/report.html")


def costs() -> dict[str, dict[str, dict[str, float]]]:
    """Return seconds on one core and megabytes of one job, by base and rule."""
    text = files("safegrid.workflow").joinpath("costs.yaml").read_text("utf-8")
    table: dict[str, dict[str, dict[str, float]]] = yaml.safe_load(text)
    return table


def describe(study: str, plan: Plan, cores: int, bases: Sequence[str]) -> str:
    """Say what is planned and what it will take, in two lines.

    The first base that was measured stands for all, or else the miniature's.
    """
    measured = costs()
    base = next((base for base in bases if base in measured), MINIATURE)
    table = measured[base]
    # A job that makes several files stands in a plan once for each, and a rule whose
    # trainings keep checkpoints is named by their steps.
    rules = {id(job): job.rule.partition("_at_")[0] for job in plan.values()}
    kinds = Counter(rules.values())
    known = {rule: n for rule, n in kinds.items() if rule in table}
    seconds = sum(table[rule]["seconds"] * n for rule, n in known.items())
    megabytes = sum(table[rule]["megabytes"] * n for rule, n in known.items())
    used = min(cores, MEASURED_CORES)
    minutes = max(1, round(seconds / used / 60))
    line = (
        f"study {study}: {kinds.total()} jobs, about {minutes} min on {used} cores and"
        f" {max(1, round(megabytes))} MB of disk in results/"
    )
    basis = f"an estimate from jobs of base {base} on two cores"
    if unknown := sorted(set(kinds) - set(known)):
        basis += f"; not counted: {', '.join(unknown)}"
    return f"{line}\n({basis}; a run of other sizes scales with its own)"
