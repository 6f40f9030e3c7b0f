"""Gather what a study's tables and figures read: its scores, and facts of its runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    read_result,
    read_table,
    write_table,
)
from safegrid.core.errors import DataError
from safegrid.core.records import HISTORY, RUNS, SCORE
from safegrid.runtime.plans import current, read_plan
from safegrid.score.summary import ORDER

Fact = dict[str, Any]

CURVE = "history.parquet"


def collect(
    *,
    scores: list[Path],
    models: list[Path],
    manifests: list[Path],
    validated: list[Path],
    overlap: list[Path],
    asked: list[Path],
    out_scores: Path,
    out_runs: Path,
) -> None:
    """Write the gathered scores and the facts of the runs, in canonical order.

    The same inputs give the same bytes, in whatever order they are named.

    Args:
        scores: rows of SCORE, one file a cell.
        models: folders `.../{base}/{recipe}/seed{seed}`, each with its training's
            manifest, which counts `rows` and `dropped` too, and history.parquet,
            rows of HISTORY.
        manifests: tables whose manifest counts `rows` and `dropped`.
        validated: JSON of stages `validate_judge` and `text_head`, one a judge, of
            `agreement`, one a pair of judges, and of `calibrate`, one a judge and base.
        overlap: JSON of stage `overlap`, one a benchmark.
        asked: responses, likelihoods and capability results
            `.../{base}/none/seed0/{benchmark}` of every base; prompts that are too long
            for it are so for all its models.
        out_scores: rows of SCORE.
        out_runs: rows of RUNS.

    Raises:
        DataError: no scores, or two files with the same row.
    """
    if not scores:
        raise DataError("collect: no score file was named; a study has at least one")
    table = pl.concat([read_table(path, SCORE) for path in scores]).sort(ORDER)
    twice = table.filter(pl.struct(ORDER).is_duplicated())
    if len(twice):
        raise DataError(
            f"collect: {len(twice)} score rows stand in more than one file, first"
            f" {twice.select(ORDER).row(0)}; was an old score file left behind?"
        )
    # No hashes of inputs: two runs with the same scores give the same file, even
    # where a manifest behind them tells of a resumed training or another path.
    write_table(out_scores, table, SCORE, manifest("collect", {}, {}, rows=len(table)))
    _write_runs([models, manifests, validated, overlap, asked], out_runs)


def collect_finished(
    *,
    plan: Path,
    models: list[Path],
    manifests: list[Path],
    validated: list[Path],
    overlap: list[Path],
    asked: list[Path],
    out_runs: Path,
) -> None:
    """Write the facts of what is finished of a study.

    Args:
        plan: what a dry run of Snakemake to all scores printed.
        models: folders as `collect` takes them, there or not; so are the others.
        manifests: tables that count rows.
        validated: JSON, one a judge.
        overlap: JSON, one a benchmark.
        asked: what the bases gave to every benchmark.
        out_runs: rows of RUNS.
    """
    found = read_plan(plan)
    groups = (models, manifests, validated, overlap, asked)
    _write_runs([current(paths, found) for paths in groups], out_runs)


def _write_runs(groups: list[list[Path]], out: Path) -> None:
    """Write the facts of models, tables, measures, overlaps and what was asked."""
    readers = (_training, _table_rows, _judge, _overlap, _asked)
    pairs = zip(readers, groups, strict=True)
    facts = [fact for read, paths in pairs for path in paths for fact in read(path)]
    whole = [{**dict.fromkeys(RUNS), **fact} for fact in facts]
    runs = pl.DataFrame(whole, schema=RUNS, orient="row").sort(list(RUNS))
    write_table(out, runs, RUNS, manifest("collect", {}, {}, rows=len(runs)))


def _training(folder: Path) -> Iterator[Fact]:
    subject = "/".join(folder.parts[-3:])
    for step, metric, value in read_table(folder / CURVE, HISTORY).iter_rows():
        yield _fact("history", subject, metric, value) | {"step": step}
    facts = read_manifest(folder)
    numbers = {"pairs": facts["rows"], "steps": facts["steps"], **facts["checks"]}
    for metric, value in {**numbers, "tokens": facts["tokens"]}.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield _fact("training", subject, metric, value)
    yield from _rows(facts, subject)


def _table_rows(path: Path) -> Iterator[Fact]:
    # Rows that a model makes lie in a folder of the dataset's name, one file a seed.
    made = path.parent.name if re.fullmatch(r"seed\d+", path.stem) else ""
    return _rows(read_manifest(path), f"{made}/{path.stem}" if made else path.stem)


def _rows(facts: dict[str, Any], name: str) -> Iterator[Fact]:
    counts = {"kept": facts["rows"], **facts.get("dropped", {})}
    for reason, count in counts.items():
        yield _fact("rows", f"{facts['stage']} {name}", reason, count)


def _asked(path: Path) -> Iterator[Fact]:
    """Say how many prompts a base was asked and could not hold, and how long it may be.

    Its answers have a limit of new tokens.
    """
    subject = f"ask {path.parts[-4]} {path.stem}"
    total, lost = _counted(path)
    counts = {"kept": total - sum(lost.values())} | {k: n for k, n in lost.items() if n}
    for reason, count in counts.items():
        yield _fact("rows", subject, reason, count)
    facts = {} if path.suffix == ".json" else read_manifest(path)
    if "finish" in facts:
        limit = facts["params"]["decode"]["max_new_tokens"]
        yield _fact("limit", path.stem, "max_new_tokens", limit)


def _counted(path: Path) -> tuple[int, dict[str, int]]:
    """Return how many prompts there were, and those without an answer by reason."""
    if path.suffix == ".json":
        tasks = read_result(path)["tasks"].values()
        too_long = sum(task["n_too_long"] for task in tasks)
        return sum(task["n"] for task in tasks), {"longer_than_context": too_long}
    facts = read_manifest(path)
    if "finish" in facts:
        return facts["rows"], {"longer_than_context": facts["finish"]["error"]}
    unread = {name: facts[name] for name in ("longer_than_context", "not_finite")}
    dropped: dict[str, int] = facts["dropped"]
    return facts["rows"] + sum(dropped.values()), {**dropped, **unread}


def _judge(path: Path) -> Iterator[Fact]:
    """Read what was measured of judges: every {value, low, high, n}, by its path."""
    found = read_result(path)
    if "left_out" in found:
        # What a text head and the rules make of each file that was left out.
        for name, judged in (found["judge"], "left_out"), ("rules", "rules"):
            for file, own in found[judged].items():
                yield from _measures("left_out", f"{file}: {name}", own)
    elif "benchmarks" in found:
        judges = f"{found['first']} / {found['second']}"
        for benchmark, own in found["benchmarks"].items():
            yield from _measures("agreement", f"{judges}: {benchmark}", own)
    elif found.get("kind") == "fluency":
        subject = f"{path.parent.name}, {path.stem}"
        threshold = _fact("fluency", subject, "threshold", found["threshold"])
        yield threshold | {"n": found["n"]}
        yield from _intervals("fluency", subject, found)
    else:
        yield from _measures("judge", path.stem, found)


def _measures(kind: str, subject: str, measures: dict[str, Any]) -> Iterator[Fact]:
    yield from _intervals(kind, subject, measures)
    for key in ("n", "n_unscored", "ties"):
        if key in measures:
            yield _fact(kind, subject, key, measures[key])


def _intervals(kind: str, subject: str, measures: dict[str, Any]) -> Iterator[Fact]:
    for name, found in _shares(measures, ()):
        interval = {key: found.get(key) for key in ("low", "high", "n")}
        yield _fact(kind, subject, name, found["value"]) | interval


def _shares(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(node, dict):
        return
    if "value" in node and "low" in node:
        yield " ".join(path), node
        return
    for key, child in node.items():
        if key != "manifest":
            yield from _shares(child, (*path, key))


def _overlap(path: Path) -> Iterator[Fact]:
    for pair in read_result(path)["pairs"]:
        subject = f"{pair['dataset']} / {pair['benchmark']}"
        for metric in ("exact", "contained", "ngram"):
            fact = _fact("overlap", subject, metric, pair[metric]["n"])
            yield fact | {"n": pair["n_prompts"]}


def _fact(kind: str, subject: str, metric: str, value: float | None) -> Fact:
    return {"kind": kind, "subject": subject, "metric": metric, "value": value}
