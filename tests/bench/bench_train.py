"""Preference training against a stock TRL run of the same settings.

Both start from the same random model of the miniature's size on the same pairs and run
in processes of their own, in turn, one thread each; CPU seconds of the whole process
are compared, because they do not depend on what else the machine does. The stock run
is what TRL's documentation shows: texts in, the trainer tokenizes, loads a reference
model of its own and scores it at every step. Ours reads ids and shared reference
values; what those cost once a dataset is told apart.

Run in `tests`: `python -m bench.bench_train [--methods dpo kto] [--rounds 2]`; prints
JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median_high
from typing import Any

import polars as pl

from made_up_training import make_recipe, preferences, save_base, save_preferences
from safegrid.train.tokenize import tokenize_pairs

STEPS, BATCH, PAIRS = 60, 16, 480
STOCK = ("dpo", "kto", "orpo", "sft")
# The miniature's: 1.1 million weights.
SHAPE = {
    **{"vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384},
    **{"num_hidden_layers": 4, "num_attention_heads": 4},
    **{"max_position_embeddings": 512, "initializer_range": 0.02},
}


def main() -> None:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(STOCK))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stock", type=Path, help="one stock run in this folder")
    options = parser.parse_args()
    if options.stock:
        stock(*options.methods, options.stock)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_world(folder)
        found = {"reference": _measure(_ours(folder, "reference", "dpo"))}
        for method in options.methods:
            found[method] = compare(folder, method, options.rounds)
    print(json.dumps(found, indent=2))


def compare(folder: Path, method: str, rounds: int) -> dict[str, Any]:
    """Run both in turn; medians of CPU seconds, and their ratio (ours / stock)."""
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(_measure(_ours(folder, f"{method}{number}", method)))
        if method in STOCK:
            command = [sys.executable, "-m", "bench.bench_train", "--methods", method]
            theirs.append(_measure([*command, "--stock", str(folder)]))
    result: dict[str, Any] = {"ours": _median(ours)}
    if theirs:
        result["stock"] = _median(theirs)
        result["ratio"] = round(result["ours"]["cpu"] / result["stock"]["cpu"], 3)
    return result


def make_world(folder: Path) -> None:
    """Write a random base of the miniature's size, pairs as texts and as ids."""
    save_base(folder / "base", **SHAPE)
    dataset = save_preferences(folder / "dataset.parquet", preferences(PAIRS))
    tokenize_pairs(dataset, folder / "base", 128, folder / "pairs.parquet")


def _ours(folder: Path, name: str, method: str) -> list[str]:
    pairs, base = str(folder / "pairs.parquet"), str(folder / "base")
    shared = folder / "shared.parquet"
    start = [sys.executable, "-m", "safegrid"]
    common = ["--pairs", pairs, "--stack", base, "--out"]
    if name == "reference":
        options = ["--precision", "float32", "--micro-batch", "16"]
        return [*start, "reference", *common, str(shared), *options]
    sizes = {"batch": BATCH, "per_device_train_batch_size": BATCH}
    settings = {"learning_rate": 2e-4, "max_steps": STEPS, "logging_steps": 5, **sizes}
    json_recipe = make_recipe(method, **settings).model_dump_json()
    values = [] if method in ("orpo", "sft") else [str(shared)]
    return [
        *[*start, "train", *common, str(folder / "models" / name)],
        *["--recipe", json_recipe, "--seed", "0", "--data-seed", "0"],
        *["--reference", *values, "--kto-reference"],
        *["--checkpoints", str(folder / "checkpoints")],
    ]


def _measure(command: list[str]) -> dict[str, float]:
    """Run a command; return its CPU and wall seconds and its peak memory in MB."""
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            sys.exit(f"{command[:4]} failed:\n{log.read().decode()[-3000:]}")
    return {
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "wall": round(time.perf_counter() - began, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: median_high(found[key] for found in rounds) for key in rounds[0]}


def stock(method: str, folder: Path) -> None:
    """Train as TRL's documentation shows it, with the settings of our run.

    What TRL's own defaults would change (bfloat16, activation checkpointing) is set to
    what our run uses; all else is left as it comes.
    """
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.experimental import orpo

    library, name = (orpo if method == "orpo" else trl), method.upper()
    settings: dict[str, Any] = {
        "output_dir": str(folder / "stock" / method),
        "max_steps": STEPS,
        # KTO's unit is a single answer: a pair gives two.
        "per_device_train_batch_size": BATCH * (2 if method == "kto" else 1),
        "learning_rate": 2e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 6,
        "bf16": False,
        "activation_checkpointing": False,
        "use_cpu": True,
        "report_to": "none",
        "logging_steps": 5,
        "seed": 0,
        "save_strategy": "no",
    }
    if method == "kto":
        settings["train_sampling_strategy"] = "sequential"
    if method != "sft":
        settings["beta"] = 0.1
    answers = {"completion": "chosen"} if method == "sft" else {}
    answers = answers or {"chosen": "chosen", "rejected": "rejected"}

    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    rows = [
        {"prompt": said("user", row["prompt"])}
        | {key: said("assistant", row[name]) for key, name in answers.items()}
        for row in pl.read_parquet(folder / "dataset.parquet").iter_rows(named=True)
    ]
    running = getattr(library, f"{name}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(folder / "base", dtype="float32"),
        args=getattr(library, f"{name}Config")(**settings),
        processing_class=AutoTokenizer.from_pretrained(folder / "base"),
        train_dataset=Dataset.from_list(rows),
    )
    running.train()
    running.save_model()


if __name__ == "__main__":
    main()
