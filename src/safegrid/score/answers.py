"""One benchmark's answers of one model with all their verdicts, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, RESPONSE, VERDICT

KEY = ["prompt_id", "sample"]
TRAITS = ["category", "macro_category", "attack", "cluster", "reference"]


@dataclass(frozen=True)
class Answers:
    """A model's answers to a benchmark, sorted by prompt and sample.

    `rows` has KEY, TRAITS and the columns of RESPONSE, one row an answer; `verdicts` by
    judge `label` and `score` in their order.
    """

    rows: pl.DataFrame
    verdicts: dict[str, pl.DataFrame]

    def labels(self, judge: str) -> list[str | None]:
        """Return a judge's labels in the order of the rows."""
        return self.verdicts[judge]["label"].to_list()

    def scores(self, judge: str) -> NDArray[np.float64]:
        """Return a judge's scores in the order of the rows, NaN where it gave none."""
        return self.verdicts[judge]["score"].fill_null(np.nan).to_numpy()


def read_models(
    prompts: Path,
    responses: list[Path],
    verdicts: list[list[Path]],
    judges: dict[str, str],
) -> list[Answers]:
    """Read the answers of several models to one benchmark; `judges` are name to kind.

    Raises:
        DataError: the files are not of the same prompts and answers, or a judge is
            missing. Each stage writes a row for every item, so this means that one
            file is older than another.
    """
    asked = read_table(prompts, PROMPT).select("prompt_id", *TRAITS)
    _once(prompts, asked.select("prompt_id"))
    found: list[Answers] = []
    for path, judged in zip(responses, verdicts, strict=True):
        given = read_table(path, RESPONSE).sort(KEY)
        _once(path, given.select(KEY))
        _same(path, set(asked["prompt_id"]), set(given["prompt_id"]), prompts)
        rows = given.join(asked, on="prompt_id", how="left", maintain_order="left")
        first = found[0].rows if found else rows
        _same(
            path,
            set(first.select(KEY).rows()),
            set(rows.select(KEY).rows()),
            responses[0],
        )
        found.append(Answers(rows, read_verdicts(judged, rows, path, judges)))
    return found


def read_benchmarks(
    judges: Mapping[str, dict[str, str]],
    n_models: int,
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
) -> list[list[Answers]]:
    """Return for each benchmark every model's answers, from flat lists of files.

    The arguments are those of `deal`.
    """
    dealt = deal(judges, n_models, responses, verdicts)
    every = zip(prompts, dealt, judges.values(), strict=True)
    return [read_models(prompt, *files, kinds) for prompt, files, kinds in every]


def deal(
    judges: Mapping[str, Mapping[str, str]],
    n_models: int,
    responses: list[Path],
    verdicts: list[Path],
    called: str = "responses",
) -> list[tuple[list[Path], list[list[Path]]]]:
    """Return for each benchmark the responses of all models, and their verdicts.

    `judges` are those of each benchmark, name to kind. Files are listed model by model,
    those of a model benchmark by benchmark and, of verdicts, judge by judge. A message
    names responses as they are `called`.
    """
    judged = sum(map(len, judges.values()))
    wanted = n_models * len(judges), n_models * judged
    if (len(responses), len(verdicts)) != wanted:
        raise DataError(
            f"got {len(responses)} files of {called} and {len(verdicts)} of verdicts,"
            f" expected {wanted[0]} and {wanted[1]}: for each of {n_models} models"
            f" {', '.join(judges)}, and all their judges"
        )
    found, first = [], 0
    for index, kinds in enumerate(judges.values()):
        starts = [first + model * judged for model in range(n_models)]
        said = [verdicts[start : start + len(kinds)] for start in starts]
        found.append((responses[index :: len(judges)], said))
        first += len(kinds)
    return found


def read_verdicts(
    files: list[Path], rows: pl.DataFrame, source: Path, judges: Mapping[str, str]
) -> dict[str, pl.DataFrame]:
    """Return `label` and `score` of every judge for rows that are sorted by KEY.

    The items are from `source`; it and the files are named where they do not fit.
    """
    found = {}
    for path in files:
        table = read_table(path, VERDICT).sort(KEY)
        _once(path, table.select(KEY))
        _same(path, set(rows.select(KEY).rows()), set(table.select(KEY).rows()), source)
        names = table["judge"].unique().to_list()
        if len(names) != 1:
            raise DataError(
                f"{path}: column `judge` holds {sorted(map(str, names))};"
                " expected the rows of exactly one judge"
            )
        found[str(names[0])] = table.select("label", "score")
    missing = sorted(set(judges) - set(found))
    if missing:
        raise DataError(
            f"{source}: no verdicts of {missing}; given were {sorted(found)}."
            " Name one verdict file for each judge of the benchmark"
        )
    return found


def _once(path: Path, keys: pl.DataFrame) -> None:
    """Refuse two rows for one item: a set of ids would hide the second."""
    twice = keys.filter(keys.is_duplicated())
    if len(twice):
        raise DataError(
            f"{path}: {len(twice)} rows share their item with another, for example"
            f" {twice.row(0)}; each item has one row. Delete the file and rebuild it"
        )


def _same(path: Path, wanted: set[object], got: set[object], other: Path) -> None:
    if wanted != got:
        missing, odd = len(wanted - got), len(got - wanted)
        example = min(wanted ^ got, key=str)
        raise DataError(
            f"{path}: does not fit {other}: {missing} items missing, {odd} too many,"
            f" for example {example}. One of the two is stale: delete it and rebuild it"
        )


def engine_of(responses: Path) -> tuple[str, str]:
    """Return the kind and the version of the engine that gave the answers."""
    facts = read_manifest(responses).get("engine")
    if not isinstance(facts, dict):
        raise DataError(
            f"{responses}: its manifest names no engine; rebuild it with rule generate"
        )
    return str(facts.get("kind")), str(facts.get("version"))
