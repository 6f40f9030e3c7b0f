"""Start a training of several processes, on one node or on all of a SLURM job's.

Called as `python -m safegrid.runtime.launch PROCESSES SHARING safegrid train ...`: it
becomes accelerate's launcher. In a SLURM job of several nodes it becomes `srun` first,
which calls it once on each node.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

from safegrid.core.errors import SafegridError
from safegrid.runtime.processes import close_input
from safegrid.runtime.runs import HOME, SLURM_JOB
from safegrid.runtime.slurm import ask

COPIES = "copies"
"""Every process holds a whole model; else a file of profiles/accelerate/."""
NODES = "SAFEGRID_NODES"
"""How many nodes train together; only set below `srun`."""
HEAD = "SAFEGRID_HEAD"
"""The host of the first of them, which the others join; only set below `srun`."""
# Each job has a port of its own, in case two share a node.
FIRST_PORT, PORTS = 20_000, 10_000

Environment = Mapping[str, str]


def command(words: Sequence[str], nodes: int, environment: Environment) -> list[str]:
    """Return what a call becomes, on so many nodes of a SLURM job (1 outside of one).

    Its words are the number of processes, how they share a model, module and its
    options.

    Raises:
        SafegridError: the processes are not the same number on every node.
    """
    processes, sharing, *module = words
    if int(processes) % nodes:
        raise SafegridError(
            f"the recipe trains with {processes} processes and the job has {nodes}"
            " nodes: each node must get as many; change `training.processes`, or"
            " `nodes` in the profile"
        )
    if nodes > 1 and HEAD not in environment:
        return [*_on_every_node(nodes, environment), *words]
    return [*_accelerate(int(processes), sharing, nodes, environment), *module]


def nodes_of(environment: Environment) -> int:
    """Return how many nodes train together.

    A job's step knows its own node only, so SLURM is asked for the job's.
    """
    if SLURM_JOB not in environment:
        return 1
    if NODES in environment:
        return int(environment[NODES])
    job = environment[SLURM_JOB]
    try:
        return int(
            ask("squeue", "--noheader", "--format=%D", "--jobs", job, seconds=60)
        )
    except (ValueError, SafegridError) as error:
        raise SafegridError(
            f"`squeue` does not say how many nodes this job has ({error}); it must work"
            " on the nodes, where a training has several processes"
        ) from None


def _on_every_node(nodes: int, environment: Environment) -> list[str]:
    # The job's own step holds its resources; this one shares them.
    step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}"]
    once = ["--ntasks-per-node=1", "--kill-on-bad-exit=1", "--cpu-bind=none"]
    cpus = [f"--cpus-per-task={environment.get('SLURM_CPUS_ON_NODE', 1)}"]
    meet = f"--export=ALL,{NODES}={nodes},{HEAD}={socket.gethostname()}"
    return [*step, *once, *cpus, meet, sys.executable, "-m", "safegrid.runtime.launch"]


def _accelerate(
    processes: int, sharing: str, nodes: int, environment: Environment
) -> list[str]:
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    if sharing == COPIES:
        # Several processes; without a GPU they are CPU processes.
        launch.append("--multi_gpu")
    else:
        file = f"{environment[HOME]}/profiles/accelerate/{sharing}.yaml"
        launch += ["--config_file", file]
    launch += ["--num_processes", str(processes), "--num_machines", str(nodes)]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    # The processes meet at any free port on one node, else at the first node's.
    port = 0
    if nodes > 1:
        port = FIRST_PORT + int(environment[SLURM_JOB]) % PORTS
        launch += ["--machine_rank", environment["SLURM_NODEID"]]
        launch += ["--main_process_ip", environment[HEAD]]
    return [*launch, "--main_process_port", str(port), "--module"]


def main() -> None:
    """Become the launcher."""
    close_input()
    try:
        line = command(sys.argv[1:], nodes_of(os.environ), os.environ)
    except SafegridError as error:
        sys.exit(f"error: {error}")
    environment = dict(os.environ)
    if line[0] == "srun":
        # It must see the job, not the step that this is in.
        kept = (SLURM_JOB, "SLURM_CONF")
        environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith("SLURM_") or name in kept
        }
    os.execvpe(line[0], line, environment)


if __name__ == "__main__":
    main()
