"""The GPU that each rule's jobs will get, as a run's options ask for it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safegrid.config.documents import Problems
from safegrid.core.errors import ConfigError
from safegrid.cost.data import Data
from safegrid.cost.fit import problems_of_fit
from safegrid.cost.jobs import RULES
from safegrid.cost.registry import load_assumptions, load_gpus, meant, pick_gpu
from safegrid.study import Study

# SLURM's way to name a GPU: `gpu:h200:1`; a bare `gpu:1` names none.
GRES = re.compile(r"gpu:([\w.-]*[A-Za-z][\w.-]*)")
# A resource of the executor plugin for SLURM.
MODEL = "gpu_model"


def check_fit(study: Study, config: Path, gpu: str | None, settings: Any) -> str:
    """Refuse a study of which a job does not fit on the GPU that it will get.

    Args:
        study: to be planned.
        config: folder of the registries.
        gpu: the option `gpu`, for all rules; null for what a profile asks for.
        settings: Snakemake's resource settings.

    Returns:
        A sentence on GPUs that the registry does not have, or nothing.

    Raises:
        ConfigError: a job does not fit, or the option names no GPU.
    """
    default = as_written(settings.default_resources)
    by_rule = {r: as_written(s) for r, s in settings.overwrite_resources.items()}
    names = asked_gpus(default, by_rule) if gpu is None else dict.fromkeys(RULES, gpu)
    if not names:
        return ""
    gpus = load_gpus(config)
    if gpu is not None:
        problems = Problems()
        pick_gpu(gpus, gpu, f"{config}/config.yaml or --config", problems)
        problems.raise_if_any("plan")
    known = {rule: meant(gpus, name) for rule, name in names.items()}
    found = {rule: (name, gpus[name]) for rule, name in known.items() if name}
    refused = problems_of_fit(Data(study, load_assumptions(config)), found)
    if refused:
        listed = "\n".join(f"  {problem}" for problem in refused)
        count = len(refused)
        kinds = "1 kind of job does" if count == 1 else f"{count} kinds of job do"
        raise ConfigError(
            f"study {study.name!r}: {kinds} not fit on the GPU that it will get;"
            f" nothing was started\n{listed}"
        )
    unknown = dict.fromkeys(n for rule, n in names.items() if known[rule] is None)
    if not unknown:
        return ""
    return (
        f"whether jobs fit was not checked for GPU {', '.join(unknown)}:"
        f" {config}/gpus.yaml does not have it"
    )


def asked_gpus(
    default: Mapping[str, Any], by_rule: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the GPU that each rule asks for by name.

    Args:
        default: Snakemake's `default-resources`, each as it was written.
        by_rule: its `set-resources`, which are stronger.
    """
    asked = {rule: _named({**default, **by_rule.get(rule, {})}) for rule in RULES}
    return {rule: name for rule, name in asked.items() if name}


def as_written(resources: Any) -> dict[str, Any]:
    """Return Snakemake's resources as they were written, not yet evaluated."""
    return {name: getattr(r, "raw", r) for name, r in dict(resources or {}).items()}


def _named(resources: Mapping[str, Any]) -> str:
    gres = GRES.search(str(resources.get("gres") or ""))
    return gres[1] if gres else str(resources.get(MODEL) or "").strip("'\"")
