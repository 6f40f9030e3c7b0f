"""`safegrid plan`: what a study will take, before anybody pays for it."""

import math
import os
from dataclasses import asdict
from pathlib import Path

from safegrid.config.block import Name
from safegrid.config.documents import Problems
from safegrid.config.load import load_config
from safegrid.config.options import own_folder
from safegrid.core.errors import SafegridError
from safegrid.core.files import write_json
from safegrid.cost.estimate import estimate
from safegrid.cost.jobs import KINDS
from safegrid.cost.power import smallest
from safegrid.cost.printing import facts, text
from safegrid.cost.registry import load_assumptions, load_gpus, pick_gpu
from safegrid.study import Study
from safegrid.study.prerequisites import is_file_there, listed, prerequisites
from safegrid.study.upstreams import Upstreams

CONFIG = Path("config")


def print_plan(
    study: Name,
    gpu: str,
    price: str | None = None,
    mfu: str | None = None,
    out: Path | None = None,
    sources_dir: str | None = None,
) -> int:
    """Print what a study will take on a GPU, and what it needs from outside.

    Args:
        study: a file of config/studies.
        gpu: a name of config/gpus.yaml, or what drivers or SLURM call it.
        price: of a GPU-hour, in the user's own currency.
        mfu: shares of the limit by kind, as `train=0.4,generate=0.6`.
        out: JSON of the same, if asked for.
        sources_dir: the folder that `path` of a source, a base or a judge is below.

    Returns:
        1 where a job does not fit, else 0.

    Raises:
        ConfigError: one message with every option that cannot be meant.
        SafegridError: this is not the repository's root.
    """
    if not CONFIG.is_dir():
        raise SafegridError("no config/ here: run this from the repository's root")
    gpus, assumed = load_gpus(CONFIG), load_assumptions(CONFIG)
    problems = Problems()
    known = pick_gpu(gpus, gpu, "--gpu", problems)
    cost = None if price is None else read_price(price, problems)
    given = {} if mfu is None else read_shares(mfu, problems)
    problems.raise_if_any("plan")
    folder = own_folder(sources_dir, CONFIG)
    asked = Study(load_config(CONFIG, study), folder)
    plan = estimate(asked, assumed, gpus, known, cost, given)
    needed = prerequisites(Upstreams(asked), os.environ, is_file_there)
    print(text(plan, assumed, asked.config.study.engine.dtype))
    print(f"\n{smallest(plan, asked.prompted, assumed.differ)}")
    told = "\n" + listed(needed) if needed else " nothing"
    print(f"\nWhat it needs from outside:{told}")
    if out is not None:
        write_json(out, facts(plan) | {"prerequisites": [asdict(p) for p in needed]})
    return 1 if plan.problems else 0


def read_price(written: str, problems: Problems) -> float | None:
    """Read a price; what is wrong with it is noted."""
    value = _number(written)
    if value is None or value < 0:
        problems.add(
            "--price", "price", f"got {written!r}: must be a number, 0 or more"
        )
        return None
    return value


def read_shares(written: str, problems: Problems) -> dict[str, float]:
    """Read `kind=share` words with commas between; what is wrong is noted."""
    found = {}
    for word in written.split(","):
        kind, _, share = (part.strip() for part in word.partition("="))
        value = _number(share)
        if kind not in KINDS:
            problems.unknown("--mfu", "mfu", kind, "kind of job", KINDS)
        elif value is None or not 0 < value <= 1:
            message = f"got {share!r} for {kind}: must be above 0, at most 1"
            problems.add("--mfu", "mfu", message)
        else:
            found[kind] = value
    return found


def _number(written: str) -> float | None:
    try:
        value = float(written)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
