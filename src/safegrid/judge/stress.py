"""Stress of a judge: how many verdicts flip when answers are put another way.

A sample of a study's answers is judged again after changes that leave what they say
(`changes`). A flip is a verdict that was positive and is not any more, or the reverse,
as scores count it: refused or not, whatever else a refusal judge tells apart.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, RESPONSE, STRESS, UNSCORED, VERDICT
from safegrid.judge.agreement import share
from safegrid.judge.changes import CHANGES, changed
from safegrid.judge.items import Item, Verdict, read_items
from safegrid.judge.run import described, judge_items
from safegrid.judge.validation import classes_of
from safegrid.readers.plain import is_blank
from safegrid.runtime.usage import Record, keep

logger = logging.getLogger(__name__)

ROW = ["prompt_id", "sample"]
WAS = {"all": (True, False), "positive": (True,), "other": (False,)}
"""The answers that a row of STRESS is about, by their verdicts before the change."""
NOT_DRAWN = "The sample holds no answer with such a verdict."
UNCHANGED = "The change leaves every such answer of the sample as it is."
UNREAD = "No changed answer has a readable verdict."


Ask = Callable[[Sequence[Item]], tuple[list[Verdict], Record | None]]
"""What judges items: their verdicts, and who answered in what time."""


class Judged(NamedTuple):
    """An answer of the sample, and whether its verdict is positive."""

    item: Item
    positive: bool


class Flip(NamedTuple):
    """A changed answer: its change, what its verdict was, and is; None: unscored."""

    change: str
    was: bool
    now: bool | None


def judge_stress(
    *,
    judge: JudgeSpec,
    stack: list[Path],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    answers: int,
    seed: int,
    engine: EngineSpec,
    cache: Path,
    out: Path,
) -> None:
    """Write how many of a judge's verdicts flip under each change, with intervals.

    Args:
        judge: how the judge's model is read.
        stack: folders of the judge's model.
        prompts: rows of PROMPT, `.../{benchmark}.parquet`, one file a benchmark.
        responses: rows of RESPONSE, `.../{benchmark}.parquet`, one file a cell.
        verdicts: the judge's rows of VERDICT on each of them, in the same order.
        answers: how many are drawn, at most.
        seed: of the draw, and of the sentences and words that changes draw.
        engine: which engine answers for the judge.
        cache: file of the answers; what it holds is not asked again.
        out: rows of STRESS.

    Raises:
        DataError: the files do not belong together.
    """
    _, positive = classes_of(judge)
    asked = {path.stem: path for path in prompts}
    cells = [(asked[path.stem], path) for path in responses]
    drawn = draw(read_judged(cells, verdicts, positive), answers, seed)
    sample = list(_items(drawn, cells))

    # Which hazard a guard names is no verdict.
    spec = judge.model_copy(update={"category_tokens": 0})

    def ask(items: Sequence[Item]) -> tuple[list[Verdict], Record | None]:
        return judge_items(spec, stack, items, engine, cache, "judge_stress")

    flips, record = ask_again(sample, seed, positive, ask)
    rows = list(stress_rows(sample, flips))
    inputs = {"prompts": prompts, "responses": responses, "verdicts": verdicts}
    params = {"answers": answers, "seed": seed}
    counts = {"rows": len(rows), "answers": len(sample)}
    facts = described(
        "judge_stress", judge, stack, record, inputs, ("scipy",), params, **counts
    )
    if record is not None:
        keep(out, record)
    named = {"judge": judge.name, "positive": positive}
    table = pl.DataFrame([{**named, **row} for row in rows], schema=STRESS)
    write_table(out, table, STRESS, facts)
    logger.info("%s: %d changes of %d answers", judge.name, len(flips), len(sample))


def read_judged(
    cells: Sequence[tuple[Path, Path]], verdicts: Sequence[Path], positive: str
) -> pl.DataFrame:
    """Return the answers that can be changed: a row each, without its text.

    Left out are answers without a readable verdict or without a word, and those that go
    on from a prefill, where an opening would stand in the middle of a sentence.

    Args:
        cells: prompts and responses of each.
        verdicts: a judge's, in the same order.
        positive: the label whose gain or loss is a flip.

    Returns:
        `cell` (its place in the list), `prompt_id`, `sample`, `cluster`, `positive`.
    """
    found = []
    for place, (cell, path) in enumerate(zip(cells, verdicts, strict=True)):
        prompts, responses = (
            read_table(file, schema)
            for file, schema in zip(cell, (PROMPT, RESPONSE), strict=True)
        )
        said = read_table(path, VERDICT)
        if not said.select(ROW).equals(responses.select(ROW)):
            raise DataError(
                f"{path} does not judge the answers of {cell[1]}; one of the two is"
                " stale: delete it and rebuild it"
            )
        shown = [not is_blank(text) for text in responses["text"]]
        bare = prompts.filter(pl.col("prefill").is_null())
        item = pl.coalesce("cluster", "prompt_id").alias("cluster")
        found.append(
            said.filter(pl.Series(shown), pl.col("label") != UNSCORED)
            .join(bare.select("prompt_id", item), on="prompt_id")
            .select(
                *ROW,
                "cluster",
                cell=pl.lit(place),
                positive=pl.col("label") == positive,
            )
        )
    return pl.concat(found)


def draw(judged: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """Return up to `n` answers, half of them with a positive verdict if there are.

    Cells take turns, so that no model outweighs another. Of the prompts that were
    derived from one item one answer is drawn at most: the answers are independent.
    """
    turn = pl.int_range(pl.len())
    shuffled = judged.sort("cell", *ROW).sample(fraction=1.0, shuffle=True, seed=seed)
    in_turn = shuffled.sort(turn.over("cell", "positive"), maintain_order=True)
    apart = in_turn.unique("cluster", keep="first", maintain_order=True)
    return apart.sort(turn.over("positive"), maintain_order=True).head(n)


def _items(drawn: pl.DataFrame, cells: Sequence[tuple[Path, Path]]) -> Iterator[Judged]:
    """Give the drawn answers, read from their cells."""
    for (place,), rows in sorted(drawn.partition_by("cell", as_dict=True).items()):
        known = {
            (item.prompt_id, item.sample): item for item in read_items(*cells[place])
        }
        for name, sample, positive in rows.select(*ROW, "positive").rows():
            yield Judged(known[name, sample], positive)


def _changed(sample: Sequence[Judged], seed: int) -> Iterator[tuple[str, Judged, str]]:
    """Give each change of each answer that it does not leave as it is."""
    for name in CHANGES:
        for one in sample:
            own = f"{seed}:{one.item.prompt_id}:{one.item.sample}"
            text = changed(one.item.text, name, own)
            if text is not None:
                yield name, one, text


def ask_again(
    sample: Sequence[Judged], seed: int, positive: str, ask: Ask
) -> tuple[list[Flip], Record | None]:
    """Return what becomes of the verdicts on changed answers, and who gave them."""
    put = list(_changed(sample, seed))
    verdicts, record = ask([replace(one.item, text=text) for _, one, text in put])
    labels = [verdict.label for verdict in verdicts]
    known = [None if label == UNSCORED else label == positive for label in labels]
    flips = [
        Flip(name, one.positive, now)
        for (name, one, _), now in zip(put, known, strict=True)
    ]
    return flips, record


def stress_rows(
    sample: Sequence[Judged], flips: Sequence[Flip]
) -> Iterator[dict[str, Any]]:
    """Yield the share of verdicts that flip: a row a change and part of the sample."""
    for name in CHANGES:
        for part, wanted in WAS.items():
            own = [flip for flip in flips if flip.change == name and flip.was in wanted]
            read = [flip.now != flip.was for flip in own if flip.now is not None]
            reason = None
            if not read:
                drawn = any(one.positive in wanted for one in sample)
                reason = UNREAD if own else UNCHANGED if drawn else NOT_DRAWN
            counts = {**share(read), "n_unscored": len(own) - len(read)}
            yield {"change": name, "was": part, **counts, "reason": reason}
