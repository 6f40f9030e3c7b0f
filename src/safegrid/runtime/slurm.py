"""SLURM's commands, with a timeout and readable errors."""

import subprocess
from collections.abc import Mapping

from safegrid.core.errors import SafegridError

SECONDS = 30


def ask(
    *command: str, env: Mapping[str, str] | None = None, seconds: int = SECONDS
) -> str:
    """Run a command of SLURM and return what it printed.

    Args:
        command: the command with its options.
        env: its environment; that of this process without one.
        seconds: how long it may take.

    Raises:
        SafegridError: it is not installed, fails, or gives no answer.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=env,
        )
    except FileNotFoundError:
        raise SafegridError(f"{command[0]} is not installed here") from None
    except subprocess.TimeoutExpired:
        raise SafegridError(f"{command[0]}: no answer in {seconds} s") from None
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise SafegridError(f"{' '.join(command[:3])}: {told}")
    return done.stdout
