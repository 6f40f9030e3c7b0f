"""Contract checks before the first step; the manifest holds their results."""

from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_manifest, read_table, sha256_file
from safegrid.core.errors import TrainingError
from safegrid.core.records import PAIRS
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import check_ids, tokenizer_files
from safegrid.study.trainings import Subset
from safegrid.train.plan import Plan
from safegrid.train.rows import lengths, select_pairs, side_lengths

# Log-probabilities of whole answers: sums over tens to hundreds of tokens, computed
# twice in batches of another shape. A reference of another model, template or padding
# is off by whole units.
TOLERANCE = {"float32": 5e-3, "bfloat16": 0.5}
# So that a large set of pairs does not stand in memory once more.
ROWS_AT_ONCE = 1000


def checked_pairs(
    path: Path, recipe: Recipe, data_seed: int, start: Path
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the pairs that a recipe selects, and what was checked of them."""
    part = Subset(recipe.fraction, recipe.categories)
    who = f"recipe {recipe.name}"
    selected = select_pairs(read_table(path, PAIRS), [part], data_seed, path, who)
    return selected, check_tokens(selected, path, start)


def check_tokens(pairs: pl.DataFrame, path: Path, start: Path) -> dict[str, Any]:
    """Assert the token contract on the pairs of a training; return what was checked.

    The manifest of their file names the ids of BOS and of a turn's end; `start` is the
    folder of the start model.

    Raises:
        DataError: the start model cannot read a token of theirs, or its padding.
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
    chat = ChatTokenizer.load(start)
    if facts["bos_id"] is not None:
        # The token that opens every turn may be the BOS: then each turn has one.
        count = chat.bos_count
        is_bos = pl.col("prompt_ids").list.eval(pl.element() == facts["bos_id"])
        as_written = is_bos.list.first() & (is_bos.list.sum() == count)
        what = f"prompt_ids must open with BOS and hold {count}, as the template writes"
        _require(pairs, as_written, path, what)
    largest = pairs.select(pl.col("^.*_ids$").list.max().max()).max_horizontal().item()
    check_ids({chat.token(largest): largest}, start, path)
    return {"one_bos": facts["bos_id"] is not None, "one_end": True}


def check_lengths(trainer: Any, rows: pl.DataFrame) -> dict[str, Any]:
    """Refuse rows that are cut, where the trainer holds them or in its collator.

    `rows` are what it was given, in the order of its row numbers.
    """
    dataset = trainer.train_dataset
    places = {row: place for place, row in enumerate(dataset["row"])}
    held = dataset.select(list(places.values())).with_format("polars")
    cut = 0
    for part in held.iter(batch_size=ROWS_AT_ONCE):
        given = side_lengths(rows[part["row"].to_list()])
        differs = side_lengths(part).select(given.columns) != given
        cut += differs.filter(pl.any_horizontal(pl.all())).height
    if cut:
        raise TrainingError(
            f"the trainer holds {cut} of its {len(places)} rows with another number of"
            " tokens than it was given: it no longer does what this version of TRL did"
        )
    # A collator that cuts what is too long for it cuts these first.
    longest = sorted(places, key=lengths(rows).__getitem__)
    chosen = longest[-trainer.args.per_device_train_batch_size :]
    examples = [dataset[places[row]] for row in chosen]
    _check_masks(trainer.data_collator(examples), examples)
    return {"truncated_share": cut / len(places)}


def check_first_step(trainer: Any, plan: Plan) -> dict[str, Any]:
    """Assert what the trainer is about to see in its first step.

    The loss falls on whole answers and on nothing else (a reward model's is of whole
    conversations), nothing is cut off, and where there is a reference the policy still
    equals it.
    """
    recipe = plan.recipe
    method, precision = METHODS[recipe.method], recipe.training.precision
    size = trainer.args.per_device_train_batch_size
    largest = 0.0
    for start in range(0, plan.forward_rows * plan.accumulate, size):
        examples = [trainer.train_dataset[start + place] for place in range(size)]
        batch = trainer.data_collator(examples)
        _check_masks(batch, examples)
        if method.reference:
            largest = max(largest, _log_ratio(trainer, batch))
    found: dict[str, Any] = {"masks": "answers only" if method.answers else "none"}
    found["shared_prompts"] = "sources" in batch
    if method.reference:
        tolerance = TOLERANCE[precision]
        found |= {"largest_log_ratio": largest, "tolerance": tolerance}
        if not largest <= tolerance:
            raise TrainingError(
                f"before the first step the policy differs from its reference by"
                f" {largest:.3g} nats an answer (at most {tolerance:g} in"
                f" {precision}): the reference values belong to another"
                " start model, tokenizer or set of pairs; make them again"
            )
    return found


def _require(pairs: pl.DataFrame, holds: pl.Expr, path: Path, what: str) -> None:
    broken = pairs.filter(~holds.fill_null(False))["pair_id"]
    if len(broken):
        raise TrainingError(
            f"{path}: {what}; {len(broken)} pairs break this, the first is {broken[0]}"
        )


def _check_masks(batch: dict[str, Any], examples: list[dict[str, Any]]) -> None:
    """Compare the tokens that a batch holds and learns with those of its rows."""
    masks, seen, names = _masks(batch)
    rows = [
        (len(row["prompt_ids"]), len(row[name])) for name in names for row in examples
    ]
    answers = [answer for _, answer in rows]
    whole = [prompt + answer for prompt, answer in rows]
    learned, read = ([int(n) for mask in m for n in mask.sum(1)] for m in (masks, seen))
    if learned not in ([], answers) or read != whole:
        raise TrainingError(
            f"the trainer would learn {learned or 'all'} tokens of {read}, but the"
            f" answers have {answers} of {whole}: its collator no longer does what this"
            " version of TRL did"
        )


def _masks(batch: dict[str, Any]) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    """Return masks of the loss and of all tokens, and the columns of the answers."""
    sides = ("chosen", "rejected")
    both = ("chosen_ids", "rejected_ids")
    if "chosen_labels" in batch:
        masks = [batch[f"{side}_labels"] != -100 for side in sides]
        return masks, [batch[f"{side}_attention_mask"] for side in sides], both
    seen = [batch["attention_mask"]]
    if "labels" in batch:
        return [batch["labels"] != -100], seen, ("chosen_ids",)
    if "completion_mask" in batch:
        single = "KL_input_ids" in batch
        return [batch["completion_mask"]], seen, ("completion_ids",) if single else both
    return [], seen, both  # a reward model's, without a loss on tokens


def _log_ratio(trainer: Any, batch: dict[str, Any]) -> float:
    """Return the largest |log pi - log ref| of a micro-batch, by the same forward."""
    import torch

    trainer.model.eval()
    # Where a model is to be sharded, it waits in main memory until training begins.
    trainer.model.to(trainer.accelerator.device)
    batch = trainer._prepare_inputs(batch)
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    inputs = ("input_ids", "attention_mask", "sources", "segments")
    with torch.no_grad(), trainer.accelerator.autocast():
        policy = trainer.model(
            **{name: batch[name] for name in inputs if name in batch},
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        ).log_probs.sum(1)
        names = ["ref_chosen_logps", "ref_rejected_logps"]
        if "KL_input_ids" in batch:
            names = ["ref_logps", "ref_KL_logps"]
            batch.pop("row")
            mismatched = trainer._compute_kl_logps(trainer.model, batch)
            policy = torch.cat([policy, mismatched])
    reference = torch.cat([batch[name] for name in names])
    return float((policy - reference).abs().max())
