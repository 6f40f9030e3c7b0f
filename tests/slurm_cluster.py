"""A SLURM of the tests' own on this machine: real daemons, two nodes, fake GPUs.

State, keys and ports are its own, so nothing under /etc is read or written and several
can live at once. A GPU is a device file that exists everywhere. Nodes promise more
cores and memory than the machine has: what is tested is who runs where.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from getpass import getuser
from pathlib import Path

import psutil

from ports import free_port

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "munged", "mungekey")
NODES = ("node1", "node2")
# Seconds; what else the machine does may take most of it.
PATIENCE = 300.0

CONFIG = Path(__file__).with_name("fixtures") / "slurm.conf"
NODE = (
    "NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs=16"
    " Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=500000"
    " Gres=gpu:h200:1 State=UNKNOWN"
)
GPU = "NodeName={name} Name=gpu Type=h200 File=/dev/null"
# A job's step forgets the variable that names the configuration.
CALLED_IN_JOBS = ("srun", "squeue")
SCRIPT = """\
#!/bin/sh
SLURM_CONF={conf} exec {program} "$@"
"""


def missing():
    """Return the programs that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Cluster:
    """The daemons, from `start` to `end`."""

    def __init__(self, root):
        self.root = root
        self.conf = root / "slurm.conf"
        self.bin = root / "bin"

    @property
    def environment(self):
        """What a process needs in its environment to use this cluster."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.conf), "PATH": path}

    def call(self, *command):
        """Run a command of SLURM to its good end and return what it printed."""
        options = {"env": os.environ | self.environment, "check": False}
        done = subprocess.run(command, capture_output=True, text=True, **options)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def start(self):
        """Write the configuration, start the daemons, and wait for both nodes."""
        for folder in (self.root, self.root / "state", self.bin):
            folder.mkdir(mode=0o755)
        self._configure()
        names = ("key", "pid", "log", "seed")
        paths = {name: str(self.root / f"munge.{name}") for name in names}
        self.call("mungekey", "--create", "--keyfile", paths["key"])
        socket_file = ("--socket", str(self.root / "munge.socket"))
        files = [word for n, path in paths.items() for word in (f"--{n}-file", path)]
        self.call("munged", *socket_file, *files)
        self.call("slurmctld", "-c")
        for name in NODES:
            self.start_node(name)
        return self

    def start_node(self, name):
        """Start the daemon of a node and wait until jobs can run there."""
        self.call("slurmd", "-N", name)
        self.wait_for(lambda: self.node_state(name) == "idle", f"{name} to be idle")

    def kill_node(self, name):
        """Let a node vanish: its daemon and all that runs below its jobs."""
        daemon = int((self.root / f"slurmd-{name}.pid").read_text())
        os.kill(daemon, signal.SIGKILL)
        for step in self._steps(name):
            with suppress(ProcessLookupError):
                os.kill(step, signal.SIGKILL)

    def node_state(self, name):
        """Return the state of a node, such as `idle`, `down` or `idle*`."""
        return self.call("sinfo", "-h", "-n", name, "-o", "%T").split()[0]

    def jobs(self, *options):
        """Return id, state, and comment of all jobs that the controller remembers."""
        text = self.call("squeue", "-h", "--states=all", "-o", "%i|%T|%k", *options)
        return [line.split("|") for line in text.splitlines()]

    def wait_for(self, look, what, patience=PATIENCE):
        """Look until there is something to see, and return it."""
        deadline = time.monotonic() + patience
        while not (seen := look()):
            assert time.monotonic() < deadline, f"no {what}; {self.jobs()}"
            time.sleep(0.1)
        return seen

    def wait_for_state(self, number, state):
        """Wait until a job is in a state, such as `PENDING`."""
        self.wait_for(
            lambda: [number, state] in [job[:2] for job in self.jobs()],
            f"{state} of {number}",
        )

    def end(self):
        """End all jobs, then all daemons."""
        self.call("scancel", "--user", getuser())
        self.wait_for(lambda: not self.jobs("--states=R,PD,CG"), "end of the jobs")
        for file in sorted(self.root.glob("*.pid"), reverse=True):
            _end(int(file.read_text()))

    def _configure(self):
        host = socket.gethostname().split(".")[0]
        nodes = [NODE.format(name=n, host=host, port=free_port()) for n in NODES]
        names = {"host": host, "user": getuser(), "root": self.root}
        names |= {"port": free_port(), "nodes": "\n".join(nodes)}
        self.conf.write_text(CONFIG.read_text().format(**names))
        gpus = [GPU.format(name=name) for name in NODES]
        (self.root / "gres.conf").write_text("\n".join(["AutoDetect=off", *gpus, ""]))
        # Without this file SLURM looks for cgroups.
        (self.root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in CALLED_IN_JOBS:
            script = self.bin / name
            program = shutil.which(name)
            script.write_text(SCRIPT.format(conf=self.conf, program=program))
            script.chmod(0o755)

    def _steps(self, name):
        """Return the processes that a node's daemon started, and theirs.

        Another test's cluster may have a node of that name.
        """
        of_node = {"SLURMD_NODENAME": name, "SLURM_CONF": str(self.conf)}
        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if of_node.items() <= process.environ().items():
                    found |= {process, *process.children(recursive=True)}
                    found |= {p for p in process.parents() if p.name() == "slurmstepd"}
        return {process.pid for process in found}


def _end(pid):
    """End a daemon and wait for it: it writes its state first."""
    with suppress(psutil.NoSuchProcess):
        daemon = psutil.Process(pid)
        daemon.terminate()
        try:
            daemon.wait(PATIENCE)
        except psutil.TimeoutExpired:
            daemon.kill()
