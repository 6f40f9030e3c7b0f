"""Start a training of several processes, on one node or on all of a SLURM job's.

Called as `python -m safegrid.launch PROCESSES SHARING safegrid train ...`: it becomes
accelerate's launcher. In a SLURM job of several nodes it becomes `srun` first, which
calls it once on each node.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

from safegrid.errors import SafegridError
from safegrid.runs import HOME, SLURM_JOB

COPIES = "copies"
"""Every process holds a whole model; else a file of profiles/accelerate/."""
HEAD = "SAFEGRID_HEAD"
"""The host of the first node, which the others join; only set below `srun`."""
NODES = "SLURM_JOB_NUM_NODES"
# Each job has a port of its own, in case two share a node.
FIRST_PORT, PORTS = 20_000, 10_000


def command(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return what a call becomes.

    Args:
        words: number of processes, how they share a model, module and its options.
        environment: of this process; tells the nodes of a SLURM job.

    Raises:
        SafegridError: the processes are not the same number on every node.
    """
    processes, sharing, *module = words
    nodes = int(environment.get(NODES, 1)) if SLURM_JOB in environment else 1
    if int(processes) % nodes:
        raise SafegridError(
            f"the recipe trains with {processes} processes and the job has {nodes}"
            " nodes: each node must get as many; change `training.processes`, or"
            " `nodes` in the profile"
        )
    if nodes > 1 and HEAD not in environment:
        return [*_on_every_node(nodes), *words]
    return [*_accelerate(int(processes), sharing, nodes, environment), *module]


def _on_every_node(nodes: int) -> list[str]:
    # The job's own step holds its resources; this one shares them.
    step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}"]
    once = ["--ntasks-per-node=1", "--kill-on-bad-exit=1", "--cpu-bind=none"]
    head = f"--export=ALL,{HEAD}={socket.gethostname()}"
    return [*step, *once, head, sys.executable, "-m", "safegrid.launch"]


def _accelerate(
    processes: int, sharing: str, nodes: int, environment: Mapping[str, str]
) -> list[str]:
    launch = ["accelerate", "launch"]
    if sharing == COPIES:
        # Several processes; without a GPU they are CPU processes.
        launch.append("--multi_gpu")
    else:
        file = f"{environment[HOME]}/profiles/accelerate/{sharing}.yaml"
        launch += ["--config_file", file]
    launch += ["--num_processes", str(processes), "--num_machines", str(nodes)]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    return [*launch, *_rendezvous(nodes, environment), "--module"]


def _rendezvous(nodes: int, environment: Mapping[str, str]) -> list[str]:
    """Where the processes meet: any free port on one node, else the first node's."""
    if nodes == 1:
        return ["--main_process_port", "0"]
    port = FIRST_PORT + int(environment[SLURM_JOB]) % PORTS
    rank = ["--machine_rank", environment["SLURM_NODEID"]]
    address = ["--main_process_ip", environment[HEAD]]
    return [*rank, *address, "--main_process_port", str(port)]


def main() -> None:
    """Become the launcher."""
    try:
        line = command(sys.argv[1:], os.environ)
    except SafegridError as error:
        sys.exit(f"error: {error}")
    os.execvp(line[0], line)


if __name__ == "__main__":
    main()
