"""Response cache, outside the declared outputs: one file a cell.

Snakemake removes the outputs of a failed job, and an answer can cost hours. A line
holds one chunk of answers with a checksum of all that it says, keys and answers; it is
written at once, so a chunk is whole or not there. Lines carry a hash of what their
answers depend on: other weights, another engine or other settings never find them. A
line that is not as it was written, or does not say what a line says, is left out, and
what it answered is asked again. Whoever computes the checksum anew can forge a line.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

from safegrid.core.errors import EngineError
from safegrid.core.files import as_record, sha256_json
from safegrid.core.logs import progress
from safegrid.runtime.usage import Usage, total

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


class ResponseCache:
    """The answers of one cell; a context manager, and its file's only writer.

    Args:
        path: the cell's file, made if needed.
        key: all that an answer depends on besides its item.
        fresh: do not look at what was answered before; new answers are kept.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], fresh: bool = False) -> None:
        self._path = path
        self._key = sha256_json(dict(key))
        self._fresh = fresh
        self._answers: dict[str, Any] = {}
        self._usage: list[Usage | None] = []
        self._line_of: dict[str, int] = {}
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the file and read what fits the key.

        Raises:
            EngineError: another process writes to it, or it is a folder.
        """
        if self._path.is_dir():
            raise EngineError(
                f"{self._path}: a folder, where answers are kept in a file; move it"
                " away and start again"
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EngineError(
                f"{self._path}: another process writes to this cache; a cell is made by"
                " one job at a time. End what is left of an earlier run, then try again"
            ) from None
        self._lock = lock
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, item_key: str) -> bool:
        return item_key in self._answers

    def get(self, item_key: str) -> Any:
        """Return the answer to an item, or None if there is none yet."""
        return self._answers.get(item_key)

    def leave_out(self, item_keys: Collection[str]) -> None:
        """Forget answers that cannot be used, so that they are asked again."""
        for key in item_keys:
            del self._answers[key], self._line_of[key]
        logger.warning(
            "%s: %d answers are none to their questions; they are asked again",
            self._path,
            len(item_keys),
        )

    def usage_of(self, item_keys: Collection[str]) -> tuple[Usage | None, int]:
        """Return what items' lines took, and of how many items it is not known."""
        lines = {self._line_of[key] for key in item_keys}
        untimed = [k for k in item_keys if self._usage[self._line_of[k]] is None]
        parts = (self._usage[number] for number in sorted(lines))
        return total(part for part in parts if part is not None), len(untimed)

    def put_chunk(self, answers: Mapping[str, Any], usage: Usage | None = None) -> None:
        """Keep a chunk's answers by item, which JSON can hold, and what they took."""
        chunk: dict[str, Any] = {"key": self._key, "answers": dict(answers)}
        if usage is not None:
            chunk["usage"] = asdict(usage)
        body = json.dumps(chunk).encode()
        line = _checksum(body) + b" " + body + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            written = os.write(handle, line)
            if written != len(line):
                # What the next one would be told; the torn line is left out when read.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            os.fsync(handle)
        except OSError as error:
            error.filename = str(self._path)
            raise
        finally:
            os.close(handle)
        self._know(answers, usage)

    def _read(self) -> None:
        """Read all whole lines of this key; a torn end is cut off."""
        good = left_out = 0
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{self._path}: line {number}"
                if not line.endswith(b"\n"):
                    logger.warning("%s was torn by a killed job and is left out", where)
                    break
                good += len(line)
                try:
                    self._take(line)
                except ValueError as error:
                    left_out += 1
                    logger.warning("%s %s and is left out", where, error)
        if left_out:
            logger.warning(
                "%s: left out %d lines; what they answered is asked again",
                self._path,
                left_out,
            )
        # Else the next chunk would be appended to the torn one.
        os.truncate(self._path, good)

    def _take(self, line: bytes) -> None:
        """Take the answers of a line; a ValueError says what is wrong with it."""
        checksum, _, body = line.rstrip(b"\n").partition(b" ")
        if checksum != _checksum(body):
            raise ValueError("does not fit its checksum")
        try:
            found = json.loads(body)
            key, answers, usage = found["key"], found["answers"], found.get("usage")
            if not isinstance(key, str) or not isinstance(answers, dict):
                raise ValueError("no key, or no answers by item")
            took = None if usage is None else as_record(json.dumps(usage), Usage)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"holds no chunk of answers ({error})") from error
        if key == self._key and not self._fresh:
            self._know(answers, took)

    def _know(self, answers: Mapping[str, Any], usage: Usage | None) -> None:
        self._answers.update(answers)
        self._line_of.update(dict.fromkeys(answers, len(self._usage)))
        self._usage.append(usage)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def item_key(*parts: Any) -> str:
    """Return the key of an item: a hash of its ids, its seed, or whatever else."""
    return sha256_json(parts)


def answer_missing(
    cache: ResponseCache,
    items: Mapping[str, Item],
    ask: Callable[[list[Item]], Sequence[Any]],
    chunk: int,
    description: str = "answers",
    usage: Callable[[], Usage | None] = lambda: None,
    fits: Callable[[Any], bool] = lambda answer: True,
) -> dict[str, Any]:
    """Answer items by key, chunk by chunk, each kept before the next is asked.

    Chunks are cut from all items in their order, whatever is answered already: after
    a kill the chunks are the ones of an unbroken run, so their answers are too. Answers
    are returned as JSON gives them back (lists for tuples), stored and new ones alike.

    `ask` gives one answer (a value that JSON can hold) an item, in order, and `usage`
    what its last call took, where that is known. Of kept answers those that do not fit
    are asked again.
    """
    keys = list(items)
    chunks = [keys[start : start + chunk] for start in range(0, len(keys), chunk)]
    odd = [key for key in keys if key in cache and not fits(cache.get(key))]
    if odd:
        cache.leave_out(odd)
    known = sum(key in cache for key in keys)
    with progress(len(keys), "item", description, done=known) as bar:
        for part in chunks:
            missing = [key for key in part if key not in cache]
            if not missing:
                continue
            answers = ask([items[key] for key in missing])
            pairs = zip(missing, answers, strict=True)
            found = {key: json.loads(json.dumps(value)) for key, value in pairs}
            cache.put_chunk(found, usage())
            bar.update(len(missing))
    return {key: cache.get(key) for key in keys}
