"""The GPU that each rule's jobs will get, as a run's options ask for it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.cost import GpuSpec
from safegrid.core.errors import ConfigError
from safegrid.cost.fit import problems_of_fit
from safegrid.cost.needs import RULES
from safegrid.cost.registry import load_gpus, meant, pick_gpu
from safegrid.study import Study

# SLURM's way to name a GPU: `gpu:h200:1`; a bare `gpu:1` names none.
GRES = re.compile(r"gpu:([\w.-]*[A-Za-z][\w.-]*)")
# A resource of the executor plugin for SLURM.
MODEL = "gpu_model"


class Asked(NamedTuple):
    """What was asked for.

    Attributes:
        gpus: by rule, name and data sheet.
        unknown: names that the registry does not have.
    """

    gpus: dict[str, tuple[str, GpuSpec]]
    unknown: list[str]


def asked_gpus(
    default: Mapping[str, Any] | None,
    by_rule: Mapping[str, Mapping[str, Any]],
    gpus: Mapping[str, GpuSpec],
) -> Asked:
    """Read which GPU each rule asks for.

    Args:
        default: Snakemake's `default-resources`, each as it was written (its `raw`).
        by_rule: its `set-resources`, which are stronger.
        gpus: the registry.
    """
    found, unknown = {}, []
    for rule in RULES:
        resources = {**(default or {}), **by_rule.get(rule, {})}
        name = _named(resources)
        known = None if name is None else meant(gpus, name)
        if known is not None:
            found[rule] = known, gpus[known]
        elif name is not None:
            unknown.append(name)
    return Asked(found, list(dict.fromkeys(unknown)))


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
    if gpu is None and not _any_named([default, *by_rule.values()]):
        return ""
    gpus = load_gpus(config)
    if gpu is not None:
        name = pick_gpu(gpus, gpu, f"{config}/config.yaml or --config")
        asked = Asked(dict.fromkeys(RULES, (name, gpus[name])), [])
    else:
        asked = asked_gpus(default, by_rule, gpus)
    problems = problems_of_fit(study, asked.gpus)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        count = len(problems)
        kinds = "1 kind of job does" if count == 1 else f"{count} kinds of job do"
        raise ConfigError(
            f"study {study.name!r}: {kinds} not fit on the GPU that it will get;"
            f" nothing was started\n{listed}"
        )
    if not asked.unknown:
        return ""
    return (
        f"whether jobs fit was not checked for GPU {', '.join(asked.unknown)}:"
        f" {config}/gpus.yaml does not have it"
    )


def _any_named(resources: list[dict[str, Any]]) -> bool:
    return any(_named(found) is not None for found in resources)


def as_written(resources: Any) -> dict[str, Any]:
    """Return Snakemake's resources as they were written, not yet evaluated."""
    return {name: getattr(r, "raw", r) for name, r in dict(resources or {}).items()}


def _named(resources: Mapping[str, Any]) -> str | None:
    gres = GRES.search(str(resources.get("gres") or ""))
    if gres is not None:
        return gres[1]
    model = str(resources.get(MODEL) or "").strip("'\"")
    return model or None
