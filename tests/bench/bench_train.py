"""Preference training against a stock TRL run of the same settings.

Both start from the same model on the same pairs and run in processes of their own, in
turn, one thread each; CPU seconds of the whole process are compared, because they do
not depend on what else the machine does. The stock run is what TRL's documentation
shows: texts in, the trainer tokenizes, loads a reference model of its own and scores it
at every step. Ours reads ids and shared reference values; what those cost once a
dataset is told apart. Tokens are those of the answers with a prompt each.

The model is random and of the miniature's size, on its lengths, in micro-batches that
are whole steps. With `--study smollm2` it is that study's base on its own pairs, where
the study has run: steps of 16 pairs in micro-batches of 8.

Run in `tests`: `python -m bench.bench_train [--methods dpo kto] [--rounds 2]`; prints
JSON, and each method when it is measured.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median_high
from typing import Any, NamedTuple

import polars as pl

from bench.processes import measure
from made_up_training import make_recipe, preferences, save_base, save_preferences
from safegrid.config.load import load_config
from safegrid.config.methods import METHODS
from safegrid.core.artifacts import read_manifest
from safegrid.train.tokenize import tokenize_pairs

ROOT = Path(__file__).resolve().parents[2]
PAIRS = 480
STOCK = tuple(name for name in METHODS if name != "reward")
# The miniature's: 1.1 million weights.
SHAPE = {
    **{"vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384},
    **{"num_hidden_layers": 4, "num_attention_heads": 4},
    **{"max_position_embeddings": 512, "initializer_range": 0.02},
}


class World(NamedTuple):
    """What is trained on what: a base, its pairs, and the sizes of the steps."""

    base: Path
    dataset: Path
    max_length: int
    steps: int
    micro_batch: int
    batch: int = 16


def main() -> None:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(STOCK))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--study", help="a study whose base and pairs are there")
    parser.add_argument("--stock", type=Path, help="one stock run in this folder")
    options = parser.parse_args()
    if options.stock:
        world = of_study(options.study) if options.study else made_up(options.stock)
        stock(*options.methods, world, options.stock)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = of_study(options.study) if options.study else make_world(folder)
        tokenize_pairs(
            world.dataset, world.base, world.max_length, folder / "pairs.parquet"
        )
        reference, _ = measure(_ours(world, folder, "reference", "dpo"))
        found: dict[str, Any] = {"reference": reference}
        for method in options.methods:
            found[method] = compare(
                world, folder, method, options.rounds, options.study
            )
            print(method, found[method], file=sys.stderr)
    print(json.dumps(found, indent=2))


def made_up(folder: Path) -> World:
    """Return the random model and the made-up pairs of a folder."""
    return World(folder / "base", folder / "dataset.parquet", 128, 60, 16)


def make_world(folder: Path) -> World:
    """Write a random base of the miniature's size, and pairs as texts."""
    world = made_up(folder)
    save_base(world.base, **SHAPE)
    save_preferences(world.dataset, preferences(PAIRS))
    return world


def of_study(name: str) -> World:
    """Return the first base of a study that has run, and its first dataset."""
    study = load_config(ROOT / "config", name).study
    dataset, spec = next(iter(study.datasets.items()))
    base = ROOT / "results/bases" / study.bases[0]
    path = ROOT / f"results/{name}/datasets/{dataset}.parquet"
    for needed in (base, path):
        if not needed.exists():
            sys.exit(f"{needed} is not there: run `make study STUDY={name}` first")
    return World(base, path, spec.max_length, steps=3, micro_batch=8)


def compare(
    world: World, folder: Path, method: str, rounds: int, study: str | None
) -> dict[str, Any]:
    """Run both in turn; medians of CPU seconds, and their ratio (ours / stock)."""
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(measure(_ours(world, folder, f"{method}{number}", method))[0])
        command = [sys.executable, "-m", "bench.bench_train", "--methods", method]
        command += ["--study", study] if study else []
        theirs.append(measure([*command, "--stock", str(folder)])[0])
    result: dict[str, Any] = {"ours": _median(ours), "stock": _median(theirs)}
    result["ratio"] = round(result["ours"]["cpu"] / result["stock"]["cpu"], 3)
    tokens = read_manifest(folder / f"models/{method}0/history.parquet")["tokens"]
    for side in ("ours", "stock"):
        result[side]["tokens_a_second"] = round(tokens / result[side]["cpu"])
    return result


def _ours(world: World, folder: Path, name: str, method: str) -> list[str]:
    pairs, base = str(folder / "pairs.parquet"), str(world.base)
    shared = folder / "shared.parquet"
    start = [sys.executable, "-m", "safegrid"]
    common = ["--pairs", pairs, "--stack", base, "--out"]
    if name == "reference":
        options = ["--precision", "float32", "--micro-batch", str(world.micro_batch)]
        return [*start, "reference", *common, str(shared), *options]
    sizes = {"batch": world.batch, "per_device_train_batch_size": world.micro_batch}
    settings = {"learning_rate": 1e-5, "max_steps": world.steps, "logging_steps": 5}
    json_recipe = make_recipe(method, **settings, **sizes).model_dump_json()
    values = [str(shared)] if METHODS[method].reference else []
    return [
        *[*start, "train", *common, str(folder / "models" / name)],
        *["--recipe", json_recipe, "--seed", "0", "--data-seed", "0"],
        *["--reference", *values, "--kto-reference"],
        *["--checkpoints", str(folder / "checkpoints")],
    ]


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: median_high(found[key] for found in rounds) for key in rounds[0]}


def stock(method: str, world: World, folder: Path) -> None:
    """Train as TRL's documentation shows it, with the settings of our run.

    What TRL's own defaults would change (bfloat16, activation checkpointing) is set to
    what our run uses; all else is left as it comes.
    """
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.experimental import orpo

    trainer = METHODS[method].trainer
    library, name = (orpo if trainer == "orpo" else trl), trainer.upper()
    # KTO's unit is a single answer: a pair gives two.
    answers_a_pair = 2 if trainer == "kto" else 1
    settings: dict[str, Any] = {
        "output_dir": str(folder / "stock" / method),
        "max_steps": world.steps,
        "per_device_train_batch_size": world.micro_batch * answers_a_pair,
        "gradient_accumulation_steps": world.batch // world.micro_batch,
        "learning_rate": 1e-5,
        "lr_scheduler_type": "cosine",
        "bf16": False,
        "activation_checkpointing": False,
        "use_cpu": True,
        "report_to": "none",
        "logging_steps": 5,
        "seed": 0,
        "save_strategy": "no",
    }
    if trainer == "kto":
        settings["train_sampling_strategy"] = "sequential"
    if trainer == "dpo":
        settings["loss_type"] = [METHODS[method].loss_type]
        settings["label_smoothing"] = make_recipe(method).training.label_smoothing
    if trainer != "sft":
        settings["beta"] = 0.1
    answers = {"completion": "chosen"} if trainer == "sft" else {}
    answers = answers or {"chosen": "chosen", "rejected": "rejected"}

    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    rows = [
        {"prompt": said("user", row["prompt"])}
        | {key: said("assistant", row[name]) for key, name in answers.items()}
        for row in pl.read_parquet(world.dataset).iter_rows(named=True)
    ]
    running = getattr(library, f"{name}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(world.base, dtype="float32"),
        args=getattr(library, f"{name}Config")(**settings),
        processing_class=AutoTokenizer.from_pretrained(world.base),
        train_dataset=Dataset.from_list(rows),
    )
    running.train()
    running.save_model()


if __name__ == "__main__":
    main()
