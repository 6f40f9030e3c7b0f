"""After a crash: unlock a folder only when the lock's owner is known to be dead."""

import logging
from pathlib import Path

import psutil

from safegrid.core.errors import SafegridError
from safegrid.core.files import remove_leftovers
from safegrid.runtime.runs import RUN, Owner, end_processes, read_owner
from safegrid.runtime.slurm import cancel_jobs

log = logging.getLogger(__name__)

LOCKS = Path(".snakemake/locks")
RESULTS = Path("results")


def is_locked(locks: Path = LOCKS) -> bool:
    """Whether a run of Snakemake holds this folder, or died holding it."""
    return locks.is_dir() and any(locks.iterdir())


def clear_crashed_run() -> bool:
    """End what a crashed run left; return whether its lock must be taken off.

    Files and folders that it was writing under hidden names are removed.

    Raises:
        SafegridError: the folder is locked by a run that lives, that belongs to
            another machine, or that nobody recorded; or SLURM does not answer.
    """
    owner = read_owner()
    if owner is not None and owner.is_here() and owner.is_alive():
        # Even without a lock: it has just begun, or is about to end.
        raise SafegridError(
            f"a run is at work in this folder (process {owner.pid});"
            f" wait for it, or end it with `kill -INT {owner.pid}`"
        )
    locked = is_locked()
    if locked:
        _refuse_unless_dead(owner)
        _refuse_beside_another(owner)
    if owner is None or not owner.is_here():
        return False
    for job in cancel_jobs():
        log.warning("cancelled SLURM job %s, which a dead run left in the queue", job)
    if ended := end_processes(owner.run):
        log.warning("ended %d processes that run %s left behind", ended, owner.run)
    if removed := remove_leftovers(RESULTS):
        log.warning("removed %d hidden files that were cut off in %s", removed, RESULTS)
    return locked


def end_run() -> None:
    """End what a dead run left in this folder, for those who type Snakemake's commands.

    Raises:
        SafegridError: as `clear_crashed_run`.
    """
    locked = clear_crashed_run()
    print("nothing of an earlier run is at work here on this machine")
    if locked:
        print("the folder is still locked: `snakemake --unlock`, then start again")


def _refuse_unless_dead(owner: Owner | None) -> None:
    unlock = "`snakemake --unlock`, then start again"
    if owner is None:
        raise SafegridError(
            "this folder is locked and no run recorded itself as the owner;"
            f" if you know that none is at work here: {unlock}"
        )
    if not owner.is_here():
        raise SafegridError(
            f"this folder is locked by run {owner.run} on host {owner.host}"
            f" (process {owner.pid}), which cannot be seen from here; if that run has"
            f" ended: {unlock}"
        )


def _refuse_beside_another(dead: Owner | None) -> None:
    """Refuse while a Snakemake works here that has not recorded itself yet.

    Between taking the lock and recording its owner a run takes a moment, in which the
    record still names the run before.
    """
    for process in psutil.process_iter():
        try:
            # `snakemake`, a script's Python, or `python -m snakemake`.
            ours = any(Path(word).name == "snakemake" for word in process.cmdline()[:3])
            if not ours or Path(process.cwd()) != Path.cwd():
                continue
            left_behind = dead is not None and process.environ().get(RUN) == dead.run
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if not left_behind:
            raise SafegridError(
                f"a Snakemake is at work in this folder (process {process.pid}); wait"
                f" for it, or end it with `kill -INT {process.pid}`"
            )
