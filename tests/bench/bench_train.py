"""Preference training against a stock TRL run of the same settings.

Both start from the same random model of the miniature's size on the same pairs and run
in processes of their own, in turn, one thread each; CPU seconds of the whole process
are compared, because they do not depend on what else the machine does. The stock run
is what TRL's documentation shows: texts in, the trainer tokenizes, loads a reference
model of its own and scores it at every step. Ours reads ids and shared reference
values; what those cost once a dataset is told apart.

Run: `python tests/bench/bench_train.py [--methods dpo kto] [--rounds 2]`; prints JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.training import Recipe
from safegrid.core.artifacts import manifest, write_json, write_table
from safegrid.core.records import PREFERENCE
from safegrid.train.tokenize import tokenize_pairs

STEPS, BATCH, PAIRS = 60, 16, 480
STOCK = ("dpo", "kto", "orpo", "sft")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '' }}{{ '\n' }}"
    "{% endfor %}{{ '<|assistant|>' if add_generation_prompt else '' }}"
)
NOUNS = ["river", "stone", "cloud", "lamp", "garden", "window", "bread", "silver"]


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
            command = [sys.executable, __file__, "--methods", method, "--stock"]
            theirs.append(_measure([*command, str(folder)]))
    result: dict[str, Any] = {"ours": _median(ours)}
    if theirs:
        result["stock"] = _median(theirs)
        result["ratio"] = round(result["ours"]["cpu"] / result["stock"]["cpu"], 3)
    return result


def make_world(folder: Path) -> None:
    """Write a random base of 1.1 million weights, pairs as texts and as ids."""
    base, dataset = folder / "base", folder / "dataset.parquet"
    texts = [_texts(number) for number in range(PAIRS)]
    write_base(base, [" ".join(row) for row in texts])
    rows = [(f"p{n:03d}", *row, None, "made-up", n) for n, row in enumerate(texts)]
    frame = pl.DataFrame(rows, schema=PREFERENCE, orient="row")
    write_table(dataset, frame, PREFERENCE, manifest("prepare", {}, {}))
    tokenize_pairs(dataset, base, 128, folder / "pairs.parquet")


def write_base(folder: Path, lines: Sequence[str] = ()) -> None:
    """Save a random model of the miniature's size, with a tokenizer of such lines."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    torch.manual_seed(0)
    config = LlamaConfig(
        **{"vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384},
        **{"num_hidden_layers": 4, "num_attention_heads": 4},
        **{"max_position_embeddings": 512, "tie_word_embeddings": True},
        **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def recipe(method: str) -> Recipe:
    """Return the settings that both runs use."""
    smoothing = {"rdpo": 0.1, "exo": 0.001}.get(method, 0.0)
    training = {
        "learning_rate": 2e-4,
        "beta": None if method == "sft" else 0.1,
        "label_smoothing": smoothing,
        "max_steps": STEPS,
        "batch": BATCH,
        "per_device_train_batch_size": BATCH,
    }
    return Recipe.model_validate(
        {"name": method, "method": method, "dataset": "d", "training": training}
    )


def _ours(folder: Path, name: str, method: str) -> list[str]:
    pairs, base = str(folder / "pairs.parquet"), str(folder / "base")
    shared = folder / "shared.parquet"
    start = [sys.executable, "-m", "safegrid"]
    common = ["--pairs", pairs, "--stack", base, "--out"]
    if name == "reference":
        options = ["--precision", "float32", "--micro-batch", "16"]
        return [*start, "reference", *common, str(shared), *options]
    wants = method not in ("orpo", "sft")
    json_recipe = recipe(method).model_dump_json()
    values = [str(shared)] if wants else []
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
    return {key: sorted(r[key] for r in rounds)[len(rounds) // 2] for key in rounds[0]}


def _texts(number: int) -> tuple[str, str, str]:
    first, second = NOUNS[number % 8], NOUNS[(number // 8) % 8]
    prompt = f"How do I carry the {first} to the {second} by way {number % 60}?"
    rejected = f"Sure. To carry the {first}, first lift the {second}, then walk slowly."
    return prompt, f"I cannot help with the {first}; ask for a lamp instead.", rejected


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
