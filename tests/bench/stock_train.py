"""A stock TRL run, as its documentation shows it, with the settings of bench_train.

Run: `python tests/bench/stock_train.py METHOD FOLDER`, where FOLDER holds `base/` and
`dataset.parquet`. What TRL's own defaults would change (bfloat16, activation
checkpointing) is set to what our run uses; all else is left as it comes.
"""

import sys
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset

STEPS, BATCH = 60, 16


def main(method: str, folder: Path) -> None:
    """Train and save a model."""
    trainer, config = _classes(method)
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
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = folder / "base"
    running = trainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        args=config(**settings),
        processing_class=AutoTokenizer.from_pretrained(base),
        train_dataset=_dataset(method, folder),
    )
    running.train()
    running.save_model()


def _dataset(method: str, folder: Path) -> Dataset:
    rows = pl.read_parquet(folder / "dataset.parquet").iter_rows(named=True)
    answers = ("completion",) if method == "sft" else ("chosen", "rejected")
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                **{
                    name: [
                        {
                            "role": "assistant",
                            "content": row["chosen" if name == "completion" else name],
                        }
                    ]
                    for name in answers
                },
            }
            for row in rows
        ]
    )


def _classes(method: str) -> tuple[Any, Any]:
    if method == "orpo":
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        return ORPOTrainer, ORPOConfig
    import trl

    family = method.upper()
    return getattr(trl, f"{family}Trainer"), getattr(trl, f"{family}Config")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
