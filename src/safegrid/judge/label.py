"""People's labels of a study's own answers: drawn blind, read back, kept as data.

A sheet holds answers in an order that says nothing of their models. Its rows are named
by a hash of where an answer stands and what it says, so that a sheet needs no key, and
labels of an answer that was made anew since fit nothing any more.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from safegrid.config.block import Name
from safegrid.config.labels import RATERS, item_of, labels_file
from safegrid.config.load import load_config
from safegrid.core.artifacts import read_table
from safegrid.core.consent import WRITE_TEXT, allowed
from safegrid.core.errors import DataError
from safegrid.core.files import atomic_file
from safegrid.core.records import LABEL, PROMPT, RESPONSE, UNSCORED, VERDICT
from safegrid.judge.agreement import CELL, kappa_of_classes
from safegrid.judge.validation import classes_of
from safegrid.study import Study, cells

logger = logging.getLogger(__name__)

SHOWN = ("item", "prompt", "prefill", "response", *RATERS)


def label(
    study: Name,
    judge: Name,
    sheet: Path,
    answers: int = 200,
    seed: int = 0,
    config: Path = Path("config"),
) -> None:
    """Draw answers for people to label, or read their labels back from the sheet.

    Where no sheet lies yet, it is written: answers that the judge has judged, as many
    of each model and verdict, in an order by the seed, without names of models. People
    fill `rater_1`, and a second person `rater_2`, with the judge's classes. Called
    again, the labels are checked and kept in `config/labels/{study}.csv`.

    Args:
        study: its name; the answers must be there.
        judge: whose question people answer: a guard or a refusal judge of the study.
        sheet: csv, to write or to read.
        answers: how many are drawn.
        seed: of the draw and of the order.
        config: folder of the configuration.

    Raises:
        DataError: no answers, no consent to write texts that may be harmful, or a sheet
            that does not fit the answers.
    """
    found = Study(load_config(config, study))
    items = read_items(found, judge)
    if sheet.exists():
        kept = labels_file(config, study)
        classes, _ = classes_of(found.config.judges[judge].spec())
        labels = read_sheet(sheet, items, classes)
        keep(labels, judge, kept)
        _tell(labels, classes, kept)
    else:
        _write(draw(items, answers, seed), sheet, study)


def read_items(study: Study, judge: str) -> pl.DataFrame:
    """Return every answer that a judge has a verdict on, with where it stands.

    Raises:
        DataError: the judge judges nothing in the study, or a verdict is not there.
    """
    names = [name for name, spec in study.prompted.items() if judge in spec.judges]
    if not names or study.config.judges[judge].kind not in ("guard", "refusal"):
        raise DataError(
            f"judge {judge!r} judges no benchmark of study {study.name!r} as a guard or"
            f" of refusals; its judges are {', '.join(study.judges)}"
        )
    found = []
    for cell in study.cells(names):
        place = f"{study.root}/verdicts/{judge}/{cell.path}.parquet"
        paths = [
            place,
            cells.answers(study, cell),
            *cells.prompts(study, [cell.benchmark]),
        ]
        if missing := [path for path in paths if not Path(path).exists()]:
            raise DataError(
                f"{missing[0]}: not there yet; `make study STUDY={study.name}` makes it"
            )
        verdicts, responses, prompts = (
            read_table(Path(path), schema)
            for path, schema in zip(paths, (VERDICT, RESPONSE, PROMPT), strict=True)
        )
        model = cell.model
        where = zip(
            CELL, (model.base, model.recipe, model.seed, cell.benchmark), strict=True
        )
        found.append(
            verdicts.select("prompt_id", "sample", verdict="label")
            .join(
                responses.select("prompt_id", "sample", response="text"),
                on=["prompt_id", "sample"],
            )
            .join(prompts.select("prompt_id", "prompt", "prefill"), on="prompt_id")
            .with_columns(*(pl.lit(value).alias(name) for name, value in where))
        )
    every = pl.concat(found).with_columns(pl.col("seed").cast(pl.Int32))
    names = [item_of(row, row["response"]) for row in every.iter_rows(named=True)]
    return every.with_columns(item=pl.Series(names))


def draw(items: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """Return `n` of the judged answers, as many of each model and verdict.

    A verdict that is rarer than its share gives all that it has, and the others more.
    Answers without a readable verdict are left out, counted in the log.
    """
    judged = items.filter(pl.col("verdict") != UNSCORED)
    logger.info("%d answers have no readable verdict", len(items) - len(judged))
    shuffled = judged.sort("item").sample(fraction=1.0, shuffle=True, seed=seed)
    place = pl.int_range(pl.len()).over("base", "recipe", "seed", "verdict")
    drawn = shuffled.sort(place, maintain_order=True).head(n)
    return drawn.sample(fraction=1.0, shuffle=True, seed=seed)


def _write(drawn: pl.DataFrame, sheet: Path, study: str) -> None:
    if not allowed(WRITE_TEXT, study):
        raise DataError(
            f"{sheet}: would hold prompts and answers of study {study!r} as they are,"
            f" harmful ones among them. If you want that set {WRITE_TEXT}={study}"
        )
    asked = pl.col("prompt").list.last().struct.field("content")
    blank = [pl.lit("").alias(name) for name in RATERS]
    shown = drawn.with_columns(asked.alias("prompt"), *blank).select(SHOWN)
    with atomic_file(sheet) as temporary:
        shown.write_csv(temporary)
    logger.info("%s: %d answers to label; then call this again", sheet, len(shown))


def read_sheet(
    sheet: Path, items: pl.DataFrame, classes: Sequence[str]
) -> pl.DataFrame:
    """Return rows of LABEL of a filled sheet, without those that nobody labelled.

    Raises:
        DataError: every fault of the sheet, with its lines.
    """
    rows = pl.read_csv(sheet, infer_schema=False, glob=False).fill_null("")
    raters = [name for name in RATERS if name in rows.columns]
    if "item" not in rows.columns or not raters:
        raise DataError(f"{sheet}: expected the columns {', '.join(SHOWN)}")
    plain = (pl.col(name).str.strip_chars().str.to_lowercase() for name in raters)
    given = rows.select("item", *plain).with_row_index("line", 2)
    given = given.filter(pl.any_horizontal(pl.col(name) != "" for name in raters))
    faults = [
        *_unknown(given, items),
        *_twice(given),
        *(fault for name in raters for fault in _wrong(given, name, classes)),
        *(["no answer is labelled"] if given.is_empty() else []),
    ]
    if faults:
        raise DataError("\n  ".join([f"{sheet}:", *faults]))
    blank = [pl.lit("").alias(name) for name in RATERS if name not in raters]
    return (
        given.with_columns(*blank)
        .join(items, on="item")
        .select([name for name in LABEL if name != "judge"])
    )


def _unknown(given: pl.DataFrame, items: pl.DataFrame) -> Iterable[str]:
    for line, item in (
        given.join(items, on="item", how="anti").select("line", "item").rows()
    ):
        yield (
            f"line {line}: item {item} is no answer of this study and judge; it was"
            " made anew since, or the sheet is another study's"
        )


def _twice(given: pl.DataFrame) -> Iterable[str]:
    for (item,), rows in given.group_by(["item"], maintain_order=True):
        if len(rows) > 1:
            lines = ", ".join(map(str, rows["line"]))
            yield f"lines {lines}: item {item} is labelled more than once"


def _wrong(given: pl.DataFrame, rater: str, classes: Sequence[str]) -> Iterable[str]:
    wrong = given.filter(~pl.col(rater).is_in(["", *classes]))
    for line, said in wrong.select("line", rater).rows():
        yield f"line {line}: {rater}: {said!r} is none of {', '.join(classes)}"


def keep(labels: pl.DataFrame, judge: str, path: Path) -> None:
    """Add rows of LABEL to a study's file.

    Raises:
        DataError: an answer has other labels there.
    """
    new = labels.with_columns(judge=pl.lit(judge)).select(list(LABEL))
    new = new.cast(pl.Schema(LABEL))
    held = (
        pl.read_csv(path, schema=LABEL, glob=False).fill_null("")
        if path.exists()
        else None
    )
    old = new.clear() if held is None else held
    every = pl.concat([old, new]).unique().sort("judge", "item")
    twice = every.filter(pl.struct("judge", "item").is_duplicated())
    if len(twice):
        raise DataError(
            f"{path}: item {twice['item'][0]} has other labels there than in the sheet;"
            " one rater gives an answer one label: correct the one or the other"
        )
    with atomic_file(path) as temporary:
        every.write_csv(temporary)


def _tell(labels: pl.DataFrame, classes: Sequence[str], path: Path) -> None:
    """Say how many labels were kept, and how far two raters agree."""
    logger.info("%s: %d labels; commit it", path, len(labels))
    both = labels.filter(*(pl.col(name) != "" for name in RATERS))
    if len(both):
        kappa = kappa_of_classes(both.select(RATERS).rows(), classes)
        value, low, high, n = (kappa[name] for name in ("value", "low", "high", "n"))
        said = "undefined, as both gave one class"
        if value is not None:
            said = f"{value:.3f} [{low:.3f}, {high:.3f}]"
        logger.info("Cohen's kappa of the two raters: %s (n=%d)", said, n)
