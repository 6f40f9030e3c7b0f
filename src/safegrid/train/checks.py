"""Contract checks before the first step; the manifest holds their results."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_manifest, sha256_file
from safegrid.core.errors import TrainingError
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import tokenizer_files
from safegrid.models.vocabulary import check_ids

# Log-probabilities of whole answers: sums over tens to hundreds of tokens, computed
# twice in batches of another shape. A reference of another model, template or padding
# is off by whole units.
TOLERANCE = {"float32": 5e-3, "bfloat16": 0.5}
# So that a large set of pairs does not stand in memory once more.
ROWS_AT_ONCE = 1000


def check_tokens(pairs: pl.DataFrame, path: Path, start: Path) -> dict[str, Any]:
    """Assert the token contract on the pairs of a training.

    Args:
        pairs: selected rows of `records.PAIRS`.
        path: their file; its manifest names the ids of BOS and of a turn's end.
        start: folder of the start model with its tokenizer's files.

    Returns:
        What was checked, for the manifest.

    Raises:
        TrainingError: the ids are those of another tokenizer or template, or a pair
            breaks the contract; names the first.
    """
    facts = read_manifest(path)
    own = [sha256_file(file) for file in tokenizer_files(start)]
    if facts["inputs"]["tokenizer"] != own:
        raise TrainingError(
            f"{path}: its ids were made with another tokenizer or chat template than"
            f" the files in {start}; tokenize the pairs again"
        )
    # Instructions have no rejected answer.
    sides = ["chosen_ids", "rejected_ids"]
    for side in (s for s in sides if pairs[s].null_count() < pairs.height):
        is_end = pl.col(side).list.eval(pl.element().is_in(facts["end_ids"]))
        ends_once = is_end.list.last() & (is_end.list.sum() == 1)
        _require(pairs, ends_once, path, f"{side} must end their turn once, at the end")
    if facts["bos_id"] is not None:
        # The token that opens every turn may be the BOS: then each turn has one.
        count = ChatTokenizer.load(start).bos_count
        is_bos = pl.col("prompt_ids").list.eval(pl.element() == facts["bos_id"])
        as_written = is_bos.list.first() & (is_bos.list.sum() == count)
        what = f"prompt_ids must open with BOS and hold {count}, as the template writes"
        _require(pairs, as_written, path, what)
    return {"one_bos": facts["bos_id"] is not None, "one_end": True}


def check_vocabulary(pairs: pl.DataFrame, path: Path, start: Path) -> None:
    """Refuse pairs, or a padding, with a token that the start model cannot read.

    Args:
        pairs: rows of `records.PAIRS`.
        path: their file, for the message.
        start: folder of the start model with its tokenizer's files.

    Raises:
        DataError: names the token, both sizes and what to do.
    """
    chat = ChatTokenizer.load(start)
    largest = pairs.select(pl.col("^.*_ids$").list.max().max()).max_horizontal().item()
    if largest is not None:
        check_ids({chat.token(largest): largest}, start, path)


def check_lengths(trainer: Any, rows: pl.DataFrame) -> dict[str, Any]:
    """Assert that no row is cut, neither where the trainer holds it nor on its way.

    Args:
        trainer: built, not yet trained.
        rows: what it was given, in the order of the trainer's row numbers.

    Returns:
        The measured share of rows that are cut, for the manifest.

    Raises:
        TrainingError: some are, or the collator cuts the longest.
    """
    dataset = trainer.train_dataset
    places = {row: place for place, row in enumerate(dataset["row"])}
    held = dataset.select(list(places.values())).with_format("polars")
    cut = sum(_count_cut(part, rows) for part in held.iter(batch_size=ROWS_AT_ONCE))
    if cut:
        raise TrainingError(
            f"the trainer holds {cut} of its {len(places)} rows with another number of"
            " tokens than it was given: it no longer does what this version of TRL did"
        )
    # A collator that cuts what is too long for it cuts these first.
    sizes = _lengths(rows).max_horizontal().to_list()
    longest = sorted(places, key=sizes.__getitem__)
    chosen = longest[-trainer.args.per_device_train_batch_size :]
    examples = [dataset[places[row]] for row in chosen]
    _check_masks(trainer.data_collator(examples), examples)
    return {"truncated_share": cut / len(places)}


def check_first_step(trainer: Any, recipe: Recipe, n_rows: int) -> dict[str, Any]:
    """Assert what the trainer is about to see in its first step.

    The loss falls on whole answers and on nothing else (a reward model's is of whole
    conversations), nothing is cut off, and where there is a reference the policy still
    equals it.

    Args:
        trainer: built, not yet trained.
        recipe: names method and precision.
        n_rows: rows of the first step, in each process.

    Returns:
        What was checked, for the manifest; `largest_log_ratio` is in nats an answer.

    Raises:
        TrainingError: a mask is off, or policy and reference differ.
    """
    size = trainer.args.per_device_train_batch_size
    largest = 0.0
    for start in range(0, n_rows, size):
        examples = [trainer.train_dataset[start + place] for place in range(size)]
        batch = trainer.data_collator(examples)
        _check_masks(batch, examples)
        if METHODS[recipe.method].reference:
            largest = max(largest, _log_ratio(trainer, batch))
    answers = METHODS[recipe.method].answers
    found: dict[str, Any] = {"masks": "answers only" if answers else "none"}
    if METHODS[recipe.method].reference:
        found["largest_log_ratio"] = largest
        found["tolerance"] = TOLERANCE[recipe.training.precision]
        if not largest <= found["tolerance"]:
            raise TrainingError(
                f"before the first step the policy differs from its reference by"
                f" {largest:.3g} nats an answer (at most {found['tolerance']:g} in"
                f" {recipe.training.precision}): the reference values belong to another"
                " start model, tokenizer or set of pairs; make them again"
            )
    return found


def _require(pairs: pl.DataFrame, holds: pl.Expr, path: Path, what: str) -> None:
    broken = pairs.filter(~holds.fill_null(False))["pair_id"]
    if len(broken):
        raise TrainingError(
            f"{path}: {what}; {len(broken)} pairs break this, the first is {broken[0]}"
        )


def _count_cut(part: pl.DataFrame, rows: pl.DataFrame) -> int:
    given = _lengths(rows[part["row"].to_list()])
    differs = _lengths(part).select(given.columns) != given
    return int(differs.select(pl.any_horizontal(pl.all())).to_series().sum())


def _lengths(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the tokens of every column of ids, row by row, the prompt in each."""
    prompt = pl.col("prompt_ids").list.len()
    return rows.select(pl.col("^.*_ids$").list.len().cast(pl.Int64) + prompt)


def _check_masks(batch: dict[str, Any], examples: list[dict[str, Any]]) -> None:
    learned, seen = _counts(batch)
    answers = list(_answers(batch, examples))
    prompts = [len(example["prompt_ids"]) for example in examples]
    prompts *= len(answers) // len(prompts)
    whole = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    if learned not in (None, answers) or seen != whole:
        raise TrainingError(
            f"the trainer would learn {learned or 'all'} tokens of {seen}, but the"
            f" answers have {answers} of {whole}: its collator no longer does what this"
            " version of TRL did"
        )


def _counts(batch: dict[str, Any]) -> tuple[list[int] | None, list[int]]:
    """Return tokens under the loss and tokens at all, a sequence.

    A reward model has no loss on tokens: None.
    """
    if "completion_mask" in batch:
        masks, seen = [batch["completion_mask"]], [batch["attention_mask"]]
    elif "labels" in batch:
        masks, seen = [batch["labels"] != -100], [batch["attention_mask"]]
    elif "input_ids" in batch:
        return None, _sums([batch["attention_mask"]])
    else:
        sides = ("chosen", "rejected")
        masks = [batch[f"{side}_labels"] != -100 for side in sides]
        seen = [batch[f"{side}_attention_mask"] for side in sides]
    return _sums(masks), _sums(seen)


def _sums(masks: Iterable[Any]) -> list[int]:
    return [int(count) for mask in masks for count in mask.sum(1).tolist()]


def _answers(batch: dict[str, Any], examples: list[dict[str, Any]]) -> Iterable[int]:
    if "completion_ids" in examples[0]:
        names = ["completion_ids"]
    elif "labels" in batch:
        names = ["chosen_ids"]
    else:
        names = ["chosen_ids", "rejected_ids"]
    return (len(example[name]) for name in names for example in examples)


def _log_ratio(trainer: Any, batch: dict[str, Any]) -> float:
    """Return the largest |log pi - log ref| of a micro-batch, by the same forward."""
    import torch

    trainer.model.eval()
    # Where a model is to be sharded, it waits in main memory until training begins.
    trainer.model.to(trainer.accelerator.device)
    batch = trainer._prepare_inputs(batch)
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    with torch.no_grad(), trainer.accelerator.autocast():
        policy = trainer.model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        ).log_probs.sum(1)
        if "KL_input_ids" in batch:
            batch.pop("row")
            mismatched = trainer._compute_kl_logps(trainer.model, batch)
            policy = torch.cat([policy, mismatched])
            reference = torch.cat([batch["ref_logps"], batch["ref_KL_logps"]])
        else:
            reference = torch.cat(
                [batch["ref_chosen_logps"], batch["ref_rejected_logps"]]
            )
    return float((policy - reference).abs().max())
