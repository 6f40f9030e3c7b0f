"""Manifest of a model's cells: the file in which a group of jobs ends."""

import os
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec
from safegrid.core.artifacts import read_manifest, sha256_file, write_result
from safegrid.core.errors import DataError
from safegrid.cost.flops import forward_flops, mfu
from safegrid.cost.registry import load_gpus, meant, of_folder
from safegrid.runtime.usage import Record, UntimedError, Usage, recorded

# What is said of a speed; `why` is the reason of a blank.
BLANK: dict[str, Any] = dict.fromkeys(
    (
        "tokens_in",
        "tokens_out",
        "seconds",
        "tokens_per_second",
        "mfu",
        "measured",
        "device",
        "dtype",
        "requests",
        "rows",
        "answers",
        "from_cache",
        "untimed",
        "why",
    )
)


def write_cell_manifest(files: Collection[Path], config: Path, out: Path) -> None:
    """Write which files a model's cells are made of, and how fast they were.

    On a cluster the jobs of a model's cells are one job because this file needs them
    all. Names, stages and hashes do not differ between two runs; a `speed` does.

    Args:
        files: responses, verdicts, results of suites.
        config: folder with the registry of GPUs.
        out: for each file its stage, hash and speed (keys: BLANK).
    """
    gpus = load_gpus(config)
    # By their names below the study: a bucket's copies lie in a folder of their own.
    study = os.path.commonpath([out, *files])
    named = {str(file.relative_to(study)): file for file in sorted(files)}
    entries = {name: _entry(file, gpus) for name, file in named.items()}
    write_result(out, {"files": entries})


def _entry(file: Path, gpus: Mapping[str, GpuSpec]) -> dict[str, object]:
    facts = read_manifest(file)
    if "stage" not in facts:
        raise DataError(f"{file}: its manifest names no stage; rebuild it")
    return {
        "stage": facts["stage"],
        "sha256": sha256_file(file),
        "speed": _speed(file, facts.get("engine"), gpus),
    }


def _speed(
    file: Path, engine: Mapping[str, str] | None, gpus: Mapping[str, GpuSpec]
) -> dict[str, Any]:
    try:
        record = recorded(file, engine)
    except UntimedError as error:
        return BLANK | {"why": str(error)}
    counted = {name: getattr(record, name) for name in ("answers", "from_cache")}
    counted |= {"untimed": record.untimed, "dtype": record.engine["dtype"]}
    if record.usage is None or not record.usage.requests:
        why = "its answers are of a cache without seconds" if record.untimed else None
        return BLANK | counted | {"why": why or "nothing could be asked"}
    return BLANK | counted | asdict(record.usage) | _rates(record, record.usage, gpus)


def _rates(record: Record, usage: Usage, gpus: Mapping[str, GpuSpec]) -> dict[str, Any]:
    """Return tokens a second and MFU, blank with the reason where it is not known."""
    tokens = usage.tokens_in + usage.tokens_out
    rate = {"tokens_per_second": round(tokens / usage.seconds, 1)}
    gpu, known = meant(gpus, usage.device), of_folder(Path(), record.model)
    if gpu is None:
        return rate | {"why": f"the peak of {usage.device} is not in config/gpus.yaml"}
    if known is None:
        return rate | {"why": f"{record.model}: no config.json that says its shape"}
    flops = forward_flops(known.shape, tokens)
    return rate | {"mfu": mfu(flops, usage.seconds, gpus[gpu], record.engine["dtype"])}
