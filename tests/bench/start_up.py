"""What it costs that every job is a process of its own: to start each of them."""

import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from stages import jobs

from safegrid.commands import COMMANDS

# What a stage imports when its work begins, beyond the module of its subcommand.
LLAMA = "from transformers import LlamaForCausalLM"
TRAINER = "from trl import DPOTrainer"
LATER = {
    "train-base": LLAMA,
    "train-judge": LLAMA,
    "reference": TRAINER,
    "kto-reference": TRAINER,
    "train": TRAINER,
    "capability": "import lm_eval.evaluator",
}
# Rules whose names are not their subcommands' names with underscores.
NOTEBOOKS = (
    "write_tables",
    "heat_maps",
    "trade_offs",
    "frontier_figures",
    "training_curves",
    "figure_1",
)


def start_up(folder: Path, study: str) -> dict[str, float]:
    """Return the seconds that all jobs of a run took to start, and their share.

    Each kind of process is started here once more and timed, doing nothing. Engines
    are not in it: they are forked, and serve many jobs.
    """
    spent = total = 0.0
    for rule, seconds, _ in jobs(folder, study):
        spent += min(_seconds(_imports(rule)), seconds)
        total += seconds
    return {"seconds": spent, "share": spent / total}


def _imports(rule: str) -> str:
    name = "notebook" if rule in NOTEBOOKS else rule.replace("_", "-")
    if name not in COMMANDS:
        return "import safegrid.cli"
    module = COMMANDS[name].call.split(":")[0]
    return f"import safegrid.cli, {module}; {LATER.get(name, '')}"


@cache
def _seconds(imports: str) -> float:
    """Return the wall seconds of a process that only imports; the best of two."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", imports], check=True)
        found.append(time.perf_counter() - start)
    return min(found)
