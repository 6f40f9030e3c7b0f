"""Log-probabilities of the start model, computed once and shared.

Every method with a reference and every seed that starts from the same model reads the
same file. The values come from the trainers' own forward, so that at step 0 a policy
equals its reference to the last digits that its dtype holds.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.training import Recipe, Training
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.logs import progress
from safegrid.core.records import KTO_REFERENCE, PAIRS, REFERENCE, Schema
from safegrid.models.checkpoints import load_model, loading, weights_hash
from safegrid.models.pretrained import load_tokenizer
from safegrid.study.trainings import WHOLE, Subset
from safegrid.train.checks import check_tokens, checked_pairs
from safegrid.train.plan import Plan
from safegrid.train.rows import kto_params, positions, select_pairs, unpair

logger = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "trl", "accelerate")


def compute_reference(
    pairs: Path,
    stack: list[Path],
    precision: str,
    micro_batch: int,
    out: Path,
    subsets: Sequence[Sequence[Any]] = (WHOLE,),
    data_seed: int = 0,
) -> None:
    """Write the log-probabilities of chosen and rejected answers of a dataset.

    Args:
        pairs: parquet file of `records.PAIRS`.
        stack: folders of the start model.
        precision: of the forward: `float32` or `bfloat16`.
        micro_batch: pairs a forward.
        out: parquet file of `records.REFERENCE`, rows in the order of `pairs`.
        subsets: `trainings.Subset`s of the pairs that trainings read, as JSON gives
            them; of other pairs nothing is computed.
        data_seed: the dataset's seed, which rules fractions.

    Raises:
        DataError: the start model cannot read a token of the pairs, or a subset is
            empty.
        TrainingError: a pair breaks the token contract.
    """
    parts = [Subset(*part) for part in subsets]
    frame = select_pairs(read_table(pairs, PAIRS), parts, data_seed, pairs)
    check_tokens(frame, pairs, stack[0])
    # By length: a forward holds little padding, and too little memory shows at once.
    longest = pl.Series(positions(frame))
    shaped = frame.sort(longest, descending=True, maintain_order=True).drop("category")
    # It computes log-probabilities and no step.
    values = {"learning_rate": 1.0, "beta": 1.0, "max_steps": 1, "precision": precision}
    sizes = dict.fromkeys(("batch", "per_device_train_batch_size"), micro_batch)
    training = Training.model_validate(values | sizes)
    recipe = Recipe(name="reference", method="dpo", dataset="", training=training)
    trainer = _trainer(recipe, stack, shaped, micro_batch)
    columns = {"chosen": "ref_chosen_logps", "rejected": "ref_rejected_logps"}
    found = shaped.select(
        "pair_id",
        **{k: pl.Series(trainer.train_dataset[c][:]) for k, c in columns.items()},
    )
    found = frame.select("pair_id").join(found, on="pair_id", maintain_order="left")
    params = {
        "precision": precision,
        "start": weights_hash(stack),
        "subsets": [part._asdict() for part in parts],
        "data_seed": data_seed,
    }
    _write(trainer, out, found, REFERENCE, pairs, params)


def compute_kto_reference(
    pairs: Path, stack: list[Path], recipe: Recipe, data_seed: int, out: Path
) -> None:
    """Write the log-probabilities of KTO's mismatched prompts and answers.

    They depend on the order of the rows, on the recipe's subset and on its
    micro-batch, so the file is valid for exactly those.

    Args:
        pairs: parquet file of `records.PAIRS`.
        stack: folders of the start model.
        recipe: one with method `kto`.
        data_seed: the dataset's seed.
        out: parquet file of `records.KTO_REFERENCE`, rows in the order of training.

    Raises:
        DataError: the start model cannot read a token of the pairs.
        TrainingError: a pair breaks the token contract.
    """
    selected, _ = checked_pairs(pairs, recipe, data_seed, stack[0])
    micro_batch = recipe.training.per_device_train_batch_size
    unpaired = unpair(selected, micro_batch, data_seed)
    # Values of the matched answers stand in the other file: none are computed here.
    blank = unpaired.with_columns(ref_logps=0.0, ref_KL_logps=0.0)
    trainer = _trainer(recipe, stack, blank, 2 * micro_batch)
    values = unpaired.select(
        "pair_id", "label", pl.Series("kl", _mismatched_logps(trainer, 2 * micro_batch))
    )
    params = {
        "precision": recipe.training.precision,
        "start": weights_hash(stack),
        **kto_params(recipe, data_seed),
    }
    _write(trainer, out, values, KTO_REFERENCE, pairs, params)


def _trainer(recipe: Recipe, stack: list[Path], rows: pl.DataFrame, size: int) -> Any:
    with loading():
        from safegrid.train.trainers.families import build_trainer

        tokenizer, model = load_tokenizer(stack[0]), load_model(stack)
    if recipe.training.precision == "bfloat16":
        halve(model)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(recipe, 0, 1, size, 1, range(rows.height), Path(folder), 0)
        return build_trainer(plan, model, tokenizer, rows)


def halve(model: Any) -> None:
    """Hold a model's matrices in bfloat16, to which autocast would round them anyway.

    Values stay the same bits, for a third of the memory: no copies beside the weights.
    The head stays as it is: its values may be the embedding's, which nothing rounds.
    """
    import torch

    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            module.to(torch.bfloat16)


def _mismatched_logps(trainer: Any, size: int) -> list[float]:
    import torch
    from torch.utils.data import DataLoader

    loader = trainer.accelerator.prepare(
        DataLoader(trainer.train_dataset, size, collate_fn=trainer.data_collator)
    )
    found = []
    for batch in progress(len(loader), "batch", "mismatched log-probabilities", loader):
        del batch["row"]
        with torch.no_grad(), trainer.accelerator.autocast():
            values = trainer._compute_kl_logps(trainer.model, batch)
        found += trainer.accelerator.gather_for_metrics(values).tolist()
    return found


def _write(
    trainer: Any,
    out: Path,
    values: pl.DataFrame,
    schema: Schema,
    pairs: Path,
    params: dict[str, Any],
) -> None:
    if trainer.accelerator.is_main_process:
        inputs, rows = {"pairs": pairs}, values.height
        facts = manifest("reference", inputs, params, LIBRARIES, rows=rows)
        write_table(out, values, schema, facts)
        logger.info("%s: %d rows", out, rows)
