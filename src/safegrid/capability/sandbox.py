"""Sandboxes for programs that a model wrote: bwrap, namespaces by hand, or none.

Both close a program in with namespaces of the kernel: of the disk it sees what Python
runs from, read-only, and an empty folder in memory; there is no network, no other
process, and whatever it started ends with it. Neither needs a privilege where the
system lets users make namespaces. Whether it does is found by trying
(`safegrid.capability.programs`): in containers and on hardened systems the commands
are there and fail.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from safegrid.runtime.runs import RUN

GUARDED = Path(__file__).with_name("guarded.py")
PYTHON = [sys.executable, "-I", "-X", "utf8"]
LIBRARIES = "LD_LIBRARY_PATH"
"""The variable that a program's Python may need to start."""
SYSTEM = [
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"),
]
BYTES = 64 * 2**20
"""Most that a program may write into its folders in memory."""
ROOM = "/tmp/program"


class Sandbox(NamedTuple):
    """A way to close a program in.

    Attributes:
        name: in manifests, logs and messages.
        around: returns the command that runs another one in it; the second argument
            is an empty folder, which is left empty.
        holds: what it keeps a program from, or does not.
    """

    name: str
    around: Callable[[Sequence[str], str], list[str]]
    holds: str


def _bwrap(command: Sequence[str], folder: str) -> list[str]:
    words = [_installed("bwrap"), "--unshare-all", "--die-with-parent"]
    words += ["--cap-drop", "ALL", "--dev", "/dev"]
    for place in ("/dev/shm", "/tmp"):
        words += ["--size", str(BYTES), "--tmpfs", place]
    for path in shown():
        words += ["--ro-bind", path, path]
    return [*words, "--dir", ROOM, "--chdir", ROOM, "--remount-ro", "/", *command]


_NAMESPACES = "--user --map-root-user --mount --net --ipc --uts --pid --fork"
# A shell stays the first process: to that one the kernel delivers no signals that it
# does not handle, and a program may wait for an alarm.
_ENTER = """
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1 room=$2; shift 2
mount -t tmpfs -o size="$0",mode=755 sandbox "$root"
mkdir -p "$root$room" "$root/dev" "$root/old"
for name in null zero full random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
    else
        mkdir -p "$root${1%/*}"
        touch "$root$1"
    fi
    mount --bind "$1" "$root$1"
    mount -o remount,bind,ro "$root$1"
    shift
done
shift
cd "$root"
pivot_root . old
mount -t tmpfs -o ro hidden /old
cd "$room"
setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
exit $?
"""


def _unshare(command: Sequence[str], folder: str) -> list[str]:
    words = [_installed("unshare"), *_NAMESPACES.split(), "--kill-child", "sh", "-c"]
    return [*words, _ENTER, str(BYTES), folder, ROOM, *shown(), "--", *command]


def _installed(name: str) -> str:
    # The program's own environment has no PATH.
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError("not installed")
    return path


_HELD = (
    "where it has no network, no variables of yours, sees no other process and of the"
    " disk only what Python runs from, cannot write outside of a folder of its own and"
    " leaves nothing running"
)
_NOT_HELD = (
    "as you, held from mistakes only: if it means harm it can run commands, read and"
    " change all files that you can, read the variables of your other processes (keys"
    " and tokens among them) and end them, use the network, and leave some behind"
)
BWRAP = Sandbox("bwrap", _bwrap, f"in a sandbox (bwrap), {_HELD}")
UNSHARE = Sandbox("unshare", _unshare, f"in a sandbox (unshare), {_HELD}")
NONE = Sandbox("none", lambda command, _: list(command), _NOT_HELD)


def environment() -> dict[str, str]:
    """Return all variables that a program sees, in a sandbox or not.

    By the run's id, which opens nothing, an ended run finds programs that still run.
    """
    kept = {name: os.environ[name] for name in (LIBRARIES, RUN) if name in os.environ}
    return {"OMP_NUM_THREADS": "1", **kept}


@functools.cache
def shown() -> list[str]:
    """Return the files and folders that a sandbox shows: what Python runs from."""
    code = (
        "import json, sys\nprint(json.dumps([sys.prefix, sys.base_prefix, *sys.path]))"
    )
    asked = subprocess.run(
        [*PYTHON, "-c", code], env=environment(), capture_output=True, check=True
    )
    libraries = os.environ.get(LIBRARIES, "").split(os.pathsep)
    paths = {*SYSTEM, *json.loads(asked.stdout), *libraries, str(GUARDED)}
    kept: list[str] = []
    # What is there, without what lies in another one's folder.
    for path in sorted(p for p in paths if os.path.isabs(p) and os.path.exists(p)):
        if not any(Path(path).is_relative_to(other) for other in kept):
            kept.append(path)
    return kept
