"""Run the program on standard input; exit with PASSED if it came to its end.

Started by `safegrid.capability.programs`, in a process of its own and by its path: it
imports nothing of the package. What a mistaken answer could do harm with is taken
away, as Hugging Face's `code_eval` and OpenAI's human-eval do. In a sandbox as without
one, so that a program passes in both or in neither.
"""

import builtins
import os
import resource
import shutil
import subprocess
import sys

PASSED = 86
"""No status that Python gives by itself, so an early exit does not count."""
STARTED = "the program starts\n"
"""Written just before the program runs; what is written before is an error's."""
MOST = {
    resource.RLIMIT_AS: 4 * 2**30,
    resource.RLIMIT_FSIZE: 2**20,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NPROC: 2048,
}
"""Bytes of memory, of a file and of a dump, and the processes and threads of the user
(in a sandbox its own ones, from Linux 5.14 on)."""
TAKEN = {
    builtins: ["exit", "quit", "help"],
    os: [
        *("kill", "killpg", "system", "putenv", "setuid", "fork", "forkpty"),
        *("remove", "removedirs", "rmdir", "unlink", "truncate", "replace", "rename"),
        *("renames", "chmod", "chown", "fchmod", "fchown", "lchown", "chroot"),
        *("fchdir", "chdir", "symlink", "link", "popen", "posix_spawn", "execv"),
        *("execve", "_exit"),
    ],
    shutil: ["rmtree", "move", "chown"],
    subprocess: ["Popen"],
}


def main() -> None:
    """Run it, and leave without whatever it has registered for the end."""
    program = sys.stdin.read()
    leave = os._exit
    for limit, most in MOST.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))
    for module, names in TAKEN.items():
        for name in names:
            setattr(module, name, None)
    os.write(1, STARTED.encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    exec(program, {})
    leave(PASSED)


if __name__ == "__main__":
    main()
