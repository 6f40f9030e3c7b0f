"""Leases of engines: use the one that runs, or start it; at most so many at once.

A client holds a lease while it asks. Engines outlive their leases, so that the next
cell of the same model finds one, and end when idle, with their run, or to make room
for another model, never while a lease is held. Hold one lease at a time: a process
that waits for a second while it keeps the first may wait for itself.
"""

import atexit
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safegrid.config import EngineSpec
from safegrid.core.errors import EngineError
from safegrid.engine.calls import FailedError, is_failing
from safegrid.engine.client import Engine
from safegrid.engine.connect import Card, connect, find_engine, named, served_by
from safegrid.engine.identity import served_name, vllm_options
from safegrid.engine.processes import Lock
from safegrid.engine.registry import (
    EngineEntry,
    LaunchSpec,
    Registry,
    is_by_hand,
    registry,
    run_folder,
)
from safegrid.engine.start import start, wait_for_url
from safegrid.models.checkpoints import Head
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import ENGINE_PEAK, owner

logger = logging.getLogger(__name__)

POLL = 0.1
SAY_EVERY = 60.0


@contextmanager
def lease(
    spec: EngineSpec,
    stack: Sequence[Path],
    head: Head = "causal",
    search: Path | None = None,
) -> Iterator[Engine]:
    """Give the engine of a model, for as long as the block runs.

    Args:
        spec: which engine; with an `address` nothing is started.
        stack: folders of the model.
        head: `causal`, `classify` or `embed`.
        search: folder of the code that searches in beams, if it is to.

    Raises:
        EngineError: it does not start or does not answer, with its log's end; or it
            is to search in beams or to embed, and is not ours.
    """
    stack = [folder.resolve() for folder in stack]
    if search is not None and spec.kind != "safegrid":
        raise EngineError(f"an engine of kind {spec.kind!r} searches in no beams")
    if head == "embed" and spec.kind != "safegrid":
        raise EngineError(f"an engine of kind {spec.kind!r} gives no vectors of ours")
    if spec.address:
        yield find_engine(spec, stack, head)
        return
    run = registry()
    if is_by_hand():
        atexit.register(stop_all, run.folder)
    entry = run.entry(served_name(spec, stack, head, search))
    with run.lock():
        launch_spec = _launch_spec(run, entry, spec, stack, head, search)

    def why_gone() -> str:
        return f". Its log ends:\n{entry.log_tail()}"

    lock, process, url, card = _reach(run, entry, launch_spec, spec)
    try:
        with _ended_if_failed(run, entry, process):
            yield connect(spec, url, launch_spec.key, card, stack, why_gone)
        peak = process.peak_megabytes()
        if peak is not None:
            logger.info(ENGINE_PEAK, peak)
    finally:
        entry.mark_used()
        lock.release()


def stop_all(folder: Path | None = None) -> None:
    """End all engines of a run on this machine and forget them.

    Args:
        folder: the run's registry; default that of this job or run.
    """
    run = Registry(folder or run_folder())
    if not run.folder.is_dir():
        return
    with run.lock():
        fork_server = run.fork_server.process()
        if fork_server is not None:
            fork_server.end()
        for entry, process in list(run.alive()):
            entry.clear()
            process.end()
            logger.info("%s ended", entry.base.name)
        shutil.rmtree(run.folder)


def _launch_spec(
    run: Registry,
    entry: EngineEntry,
    spec: EngineSpec,
    stack: Sequence[Path],
    head: Head,
    search: Path | None,
) -> LaunchSpec:
    return LaunchSpec(
        kind=spec.kind,
        model=entry.base.name,
        stack=[str(folder) for folder in stack],
        head=head,
        dtype=spec.dtype,
        batch_size=spec.batch_size,
        max_batch_tokens=spec.max_batch_tokens,
        idle_seconds=spec.idle_seconds,
        start_seconds=spec.start_seconds,
        key=run.key(),
        owner=Process.me() if is_by_hand() else owner(),
        threads=int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        search=None if search is None else str(search.resolve()),
        options=_options(spec),
    )


def _options(spec: EngineSpec) -> list[str]:
    share = ["--gpu-memory-utilization", f"{spec.memory_share:.4g}"]
    return [*share, *vllm_options(spec)] if spec.kind == "vllm" else []


def _reach(
    run: Registry, entry: EngineEntry, launch_spec: LaunchSpec, spec: EngineSpec
) -> tuple[Lock, Process, str, Card]:
    """Hold an engine that answers: one that is met dying is started again, once."""
    try:
        return _try_reach(run, entry, launch_spec, spec)
    except FailedError as error:
        logger.warning("%s; it is started again", error)
        return _try_reach(run, entry, launch_spec, spec)


def _try_reach(
    run: Registry, entry: EngineEntry, launch_spec: LaunchSpec, spec: EngineSpec
) -> tuple[Lock, Process, str, Card]:
    lock = _take(run, entry, launch_spec, spec.max_engines)
    try:
        process = entry.process()
        if process is None:
            raise FailedError(
                f"{entry.base.name} ended. Its log ends:\n{entry.log_tail()}"
            )
        url = wait_for_url(entry, process, spec.start_seconds)
        with _ended_if_failed(run, entry, process):
            cards = served_by(url, launch_spec.key)
        return lock, process, url, named(cards, entry.base.name, url)
    except BaseException:
        lock.release()
        raise


def _take(
    run: Registry, entry: EngineEntry, launch_spec: LaunchSpec, most: int
) -> Lock:
    """Wait until the engine runs, or there is room to start it, and hold it."""
    said = time.monotonic()
    while True:
        with run.lock():
            lock = _try_take(run, entry, launch_spec, most)
        if lock is not None:
            return lock
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            logger.info("%s waits: %d engines are in use", launch_spec.model, most)
        time.sleep(POLL)


def _try_take(
    run: Registry, entry: EngineEntry, launch_spec: LaunchSpec, most: int
) -> Lock | None:
    """Hold the engine, started if needed; None while that cannot be."""
    lock = entry.hold()
    if lock is None or _is_well(entry):
        return lock
    try:
        if _make_room(run, most):
            start(run, entry, launch_spec)
            return lock
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


def _is_well(entry: EngineEntry) -> bool:
    """Whether an engine runs and can be asked; what is left of a dying one is ended."""
    process, url = entry.process(), entry.url()
    if process is None:
        return False
    if url is None or not is_failing(url):
        return True
    logger.warning("%s fails and is started again", entry.base.name)
    entry.clear()
    process.end()
    return False


@contextmanager
def _ended_if_failed(
    run: Registry, entry: EngineEntry, process: Process
) -> Iterator[None]:
    """End an engine that failed, so that the next lease does not meet it dying."""
    try:
        yield
    except FailedError:
        with run.lock():
            # Another client may have ended it, and started the next one.
            if entry.process() == process:
                entry.clear()
                process.end()
        raise


def _make_room(run: Registry, most: int) -> bool:
    """End the engines that are idle longest until there is room for one more."""
    alive = list(run.alive())
    for entry, process in sorted(alive, key=lambda pair: pair[0].last_used()):
        if len(alive) < most:
            break
        lock = entry.seize()
        if lock is None:
            continue
        logger.info("%s ends to make room", entry.base.name)
        entry.clear()
        process.end()
        lock.release()
        alive.remove((entry, process))
    return len(alive) < most
