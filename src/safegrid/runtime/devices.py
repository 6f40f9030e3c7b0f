"""Name of the device that models run on, as its maker calls it."""

import os
import platform
import shutil
import subprocess

UNKNOWN = "unknown"


def device_name(threads: int | str) -> str:
    """Return the device of this process's models, without a GPU with its threads."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu {platform.machine()}, {threads} threads"


def visible_gpu(fields: str = "name") -> str:
    """Return the first GPU that a process started from this one sees, without torch.

    `unknown` where the driver's own tool cannot tell; its `fields` are that tool's.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return UNKNOWN
    asked = [command, f"--query-gpu={fields}", "--format=csv,noheader"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    if visible:
        asked.append(f"--id={visible}")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    names = done.stdout.splitlines() if done.returncode == 0 else []
    return (names[0].strip() if names else "") or UNKNOWN
