"""The folder of a training's checkpoints, and the one process that may use it.

It lies outside the declared outputs, because a workflow removes those before it runs a
rule again. Its name is a hash of everything that the weights depend on, so a killed
training finds its own checkpoints and no other's.
"""

import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from safegrid.core.errors import TrainingError
from safegrid.core.files import as_record
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import EXIT_ORPHANED, SLURM_JOB

logger = logging.getLogger(__name__)

LEASE = "owner.json"
# An empty file, written last: a checkpoint without it was cut off and is not used.
WHOLE = "whole"
# An owner on another machine shows that it lives by touching its lease.
HEARTBEAT_SECONDS = 20.0
SILENT_SECONDS = 180.0


@dataclass(frozen=True)
class Holder(Process):
    """The process that holds a folder.

    Attributes:
        job: the SLURM job that it runs in, which keeps its number when it is preempted
            and starts again on another node; None outside of one.
    """

    job: str | None = None

    @classmethod
    def me(cls) -> "Holder":
        """Name this process and its job."""
        return cls(**asdict(Process.me()), job=os.environ.get(SLURM_JOB))


@contextmanager
def lease(folder: Path) -> Iterator[Path]:
    """Hold a checkpoint folder; a dead owner's is taken over.

    The folder is removed when the block ends well and kept when it does not.

    Raises:
        TrainingError: another process that lives, or that may live, holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _take(folder)
    for path in folder.glob("checkpoint-*"):
        if not (path / WHOLE).is_file():
            logger.info("removing %s, which was cut off while it was written", path)
            shutil.rmtree(path)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder / LEASE, stop), daemon=True)
    beat.start()
    try:
        yield folder
    except BaseException:
        stop.set()
        (folder / LEASE).unlink(missing_ok=True)
        raise
    stop.set()
    shutil.rmtree(folder)


def _take(folder: Path) -> None:
    path = folder / LEASE
    mine = folder / f".{LEASE}.{os.getpid()}"
    # Written first and linked then: a lease is never seen half written.
    mine.write_text(json.dumps(asdict(Holder.me())), encoding="utf-8")
    try:
        for _ in range(2):
            try:
                os.link(mine, path)
            except FileExistsError:
                _remove_dead(path)
            else:
                return
    finally:
        mine.unlink()
    raise TrainingError(f"{folder} was taken by another training at this very moment")


def _remove_dead(path: Path) -> None:
    """Remove a dead owner's lease, by a rename that only one process can win.

    Raises:
        TrainingError: its owner lives, or may live.
    """
    try:
        text = path.read_text(encoding="utf-8")
        holder = as_record(text, Holder)
        lives = _lives(holder, path)
    except FileNotFoundError:
        return
    except ValueError as error:
        raise TrainingError(
            f"{path}: {error}; it says which training holds the folder. If you know"
            f" that none is at work there: `rm {path}`, then start again"
        ) from None
    grave = path.with_name(f".{path.name}.dead.{os.getpid()}")
    if not lives:
        path.rename(grave)
        if grave.read_text(encoding="utf-8") == text:
            grave.unlink()
            logger.info("took over %s from an owner that is gone", path.parent)
            return
        # Someone else took it over in between: what was renamed is a living lease.
        grave.rename(path)
    raise TrainingError(
        f"{path.parent} belongs to a training that still runs (process {holder.pid} on"
        f" {holder.host}); wait for it or end it. An owner on another machine counts as"
        f" dead after {SILENT_SECONDS:.0f} seconds without a sign"
    )


def _lives(holder: Holder, path: Path) -> bool:
    """Whether a holder is at work, after a wait for a sign where it cannot be seen."""
    if holder.is_here():
        return holder.is_alive()
    if holder.job is not None and holder.job == os.environ.get(SLURM_JOB):
        # This very job, before it was preempted or its node died.
        return False
    seen = path.stat().st_mtime
    # The file server's clock may be another than ours: so two beats are always watched.
    wait = max(2 * HEARTBEAT_SECONDS, SILENT_SECONDS - (time.time() - seen))
    logger.info("%s is held on %s: waiting for a sign", path.parent, holder.host)
    for _ in range(math.ceil(wait / HEARTBEAT_SECONDS)):
        time.sleep(HEARTBEAT_SECONDS)
        if path.stat().st_mtime != seen:
            return True
    return False


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            os.utime(path)
        except FileNotFoundError:
            logger.error("%s is gone: someone took this training's folder", path)
            os._exit(EXIT_ORPHANED)
