"""Name of the device that models run on, as its maker calls it."""

import os
import platform
import shutil
import subprocess

UNKNOWN = "unknown"


def device_name(threads: int | str) -> str:
    """Return the device of this process's models.

    Args:
        threads: that they compute with where there is no GPU.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu {platform.machine()}, {threads} threads"


def visible_gpu() -> str:
    """Return the first GPU that a process started from this one sees, without torch.

    For engines that do not say what they run on. `unknown` where the driver's own tool
    cannot tell either.
    """
    return _asked_of_driver("name") or UNKNOWN


def gpu_and_driver() -> str:
    """Return the same GPU with its driver's version; `unknown` likewise."""
    return _asked_of_driver("name,driver_version") or UNKNOWN


def _asked_of_driver(fields: str) -> str | None:
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    asked = [command, f"--query-gpu={fields}", "--format=csv,noheader"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    if visible:
        asked.append(f"--id={visible}")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    names = done.stdout.splitlines() if done.returncode == 0 else []
    return names[0].strip() if names else None
