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
from safegrid.config.labels import KINDS, RATERS, classes_of, item_of, labels_file
from safegrid.config.load import load_config
from safegrid.core.artifacts import read_labels, read_table
from safegrid.core.consent import WRITE_TEXT, allowed
from safegrid.core.errors import DataError
from safegrid.core.files import atomic_file
from safegrid.core.records import LABEL, PROMPT, RESPONSE, UNSCORED, VERDICT
from safegrid.judge.agreement import CELL, kappa_of_classes
from safegrid.study import Study, cells

logger = logging.getLogger(__name__)

SHOWN = ("item", "prompt", "prefill", "response", *RATERS)


def label(
    study: Name,
    judge: Name,
    sheet: Path,
    answers: int = 200,
    benchmark: str | None = None,
    recipe: str | None = None,
    seed: int = 0,
    config: Path = Path("config"),
) -> None:
    """Draw answers for people to label, or read their labels back from the sheet.

    Where no sheet lies yet, it is written: answers that the judge has judged, as many
    of each cell and verdict, in an order by the seed, without names of models. People
    fill `rater_1`, and a second person `rater_2`, with the judge's classes. Called
    again, the labels are checked and kept in `config/labels/{study}.csv`.

    Args:
        study: its name; the answers must be there.
        judge: whose question people answer: a guard or a refusal judge of the study.
        sheet: csv, to write or to read.
        answers: how many are drawn.
        benchmark: of which alone, with commas between several.
        recipe: of which alone, likewise.
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
        classes = classes_of(found.config.judges[judge])
        labels = read_sheet(sheet, items, classes)
        keep(labels, judge, kept)
        _tell(labels, classes, kept)
    else:
        chosen = _only(_only(items, "benchmark", benchmark), "recipe", recipe)
        _write(draw(chosen, answers, seed), sheet, study)


def read_items(study: Study, judge: str) -> pl.DataFrame:
    """Return every answer that a judge has a verdict on, with where it stands.

    Raises:
        DataError: the judge judges nothing in the study, or a verdict is not there.
    """
    names = [name for name, spec in study.prompted.items() if judge in spec.judges]
    if not names or study.config.judges[judge].kind not in KINDS:
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


def _only(items: pl.DataFrame, column: str, names: str | None) -> pl.DataFrame:
    """Return the answers of some benchmarks or recipes, all without any name."""
    if names is None:
        return items
    wanted = {name.strip() for name in names.split(",")}
    if unknown := wanted - set(items[column]):
        raise DataError(
            f"--{column}: the judge has no verdict on {', '.join(sorted(unknown))};"
            f" it has on {', '.join(sorted(set(items[column])))}"
        )
    return items.filter(pl.col(column).is_in(sorted(wanted)))


def draw(items: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """Return `n` of the judged answers, as many of each cell and verdict.

    A verdict that is rarer than its share gives all that it has, and the others more.
    Answers without a readable verdict are left out, counted in the log.
    """
    judged = items.filter(pl.col("verdict") != UNSCORED)
    logger.info("%d answers have no readable verdict", len(items) - len(judged))
    shuffled = judged.sort("item").sample(fraction=1.0, shuffle=True, seed=seed)
    place = pl.int_range(pl.len()).over(*CELL, "verdict")
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
    fewest = drawn.group_by(*CELL, "verdict").len()["len"].min()
    told = "%s: %d answers to label, %d or more of each cell and verdict drawn"
    logger.info(f"{told}; then call this again", sheet, len(shown), fewest)


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
    """Add rows of LABEL to a study's file; a rater may come later than the other.

    Raises:
        DataError: a rater gave an answer another label there.
    """
    new = labels.with_columns(judge=pl.lit(judge)).select(list(LABEL))
    every = [read_labels(path), new.cast(pl.Schema(LABEL))]
    place = [name for name in LABEL if name not in RATERS]
    said = [pl.col(rater).filter(pl.col(rater) != "").unique() for rater in RATERS]
    joined = pl.concat(every).group_by(place).agg(said).sort("judge", "item")
    twice = joined.filter(pl.any_horizontal(pl.col(r).list.len() > 1 for r in RATERS))
    if len(twice):
        raise DataError(
            f"{path}: item {twice['item'][0]} has other labels there than in the sheet;"
            " one rater gives an answer one label: correct the one or the other"
        )
    first = (pl.col(r).list.first().fill_null("") for r in RATERS)
    with atomic_file(path) as temporary:
        joined.with_columns(*first).select(list(LABEL)).write_csv(temporary)


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
