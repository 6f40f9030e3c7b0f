"""A notebook's kernel as a job of the run: forked with the report's imports done."""

import sys
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp
from jupyter_client.manager import AsyncKernelManager


class JobKernel(AsyncKernelManager):
    """Manager of a kernel that `python -m safegrid notebook-kernel` starts."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command of the kernel, which reads its ports from a file."""
        command = [sys.executable, "-m", "safegrid", "notebook-kernel"]
        return [*command, "--connection", self.connection_file]


def run_kernel(connection: Path) -> None:
    """Run a notebook's cells until its manager ends it.

    Args:
        connection: JSON with the ports that the manager listens on.
    """
    IPKernelApp.launch_instance(argv=["-f", str(connection)])
