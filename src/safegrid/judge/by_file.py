"""A judge by a file: verdicts from elsewhere, joined to answers by id.

No model, no engine, no cache. An answer that the file says nothing of is `unscored`.
The files may come alone, without the answers: then items are the prompts, and as many
samples of each as any of the files knows.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, VERDICT
from safegrid.judge.items import Item, Verdict, count, unscored, verdict_table
from safegrid.judge.verdict_file import CELL, VerdictLine, read_told
from safegrid.readers.problems import FileProblems

logger = logging.getLogger(__name__)

Key = tuple[str, int]  # prompt_id, sample
SILENT = unscored("no verdict in the file")


def judge_by_file(
    spec: JudgeSpec, path: Path, items: Sequence[Item], cell: Mapping[str, Any]
) -> tuple[list[Verdict], dict[str, int]]:
    """Return what a file says of a cell's answers, one verdict an item, and counts.

    A row that does not name base, recipe, seed and benchmark must name the answer's
    text, so that no verdict lands on the answer of another model. Counted are
    `without_verdict`, items that the file says nothing of, and `of_other_cells`, rows
    of other models' answers.

    Raises:
        DataError: rows that cannot be read, or are of no item, or of one that another
            row is of, or of another answer; all of them with their lines.
    """
    problems = FileProblems(path)
    told = read_told(path, spec, problems)
    own = [row for row in told if _is_of(row, cell)]
    for row in own:
        if row.response is None and len(row.cell) < len(CELL):
            problems.add(
                row.line,
                "nothing ties it to an answer: give `response`, the text that was"
                f" judged, or all of {', '.join(f'`{name}`' for name in CELL)}",
            )
    found = match(own, items, problems)
    problems.raise_any()
    counts = {
        "without_verdict": len(items) - len(found),
        "of_other_cells": len(told) - len(own),
    }
    logger.info("%s: %d verdicts, %s", path, len(found), counts)
    return _in_order(found, items), counts


def import_files(
    judges: Sequence[tuple[JudgeSpec, Path]],
    prompts: Path,
    cell: Mapping[str, str],
    out: Path,
    names: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Write rows of VERDICT, a file `{judge}.parquet` for each judge and its file.

    Args:
        judges: each with its file of format `verdicts`.
        prompts: rows of PROMPT, the benchmark's.
        cell: the `recipe` and the `benchmark` that are imported; rows that name
            another of one of them are left aside, and counted.
        out: folder for the files.
        names: what the files call fields of ours, and ours; null where alike.
    """
    files = [_read(spec, path, cell, names) for spec, path in judges]
    samples = 1 + max((row.sample for file in files for row in file.own), default=0)
    asked = read_table(prompts, PROMPT).select("prompt_id", "prompt").rows()
    items = [
        Item(prompt_id, sample, messages, "")
        for prompt_id, messages in asked
        for sample in range(samples)
    ]
    answers: dict[Key, str] = {}
    found = [_match_blind(file.own, items, file.problems, answers) for file in files]
    _raise_any([file.problems for file in files])
    counts: dict[str, dict[str, Any]] = {}
    for file, told in zip(files, found, strict=True):
        name, verdicts = file.spec.name, _in_order(told, items)
        counted = count(items, verdicts)
        # Of answers that are not here nothing else is known.
        counts[name] = {key: counted[key] for key in ("rows", "labels", "unscored")}
        counts[name]["of_other_cells"] = file.aside
        inputs = {"prompts": prompts, "verdicts_file": file.path}
        params = {"judge": file.spec.model_dump()}
        facts = manifest("import-verdicts", inputs, params, **counts[name])
        table = verdict_table(name, items, verdicts)
        write_table(out / f"{name}.parquet", table, VERDICT, facts)
    return counts


class _Imported(NamedTuple):
    """One judge's file; its rows of the cell that is imported, the others counted."""

    spec: JudgeSpec
    path: Path
    problems: FileProblems
    own: list[VerdictLine]
    aside: int


def _read(
    spec: JudgeSpec,
    path: Path,
    cell: Mapping[str, str],
    names: Mapping[str, str] | None,
) -> _Imported:
    problems = FileProblems(path)
    told = read_told(path, spec, problems, names)
    own = [row for row in told if _is_of(row, cell)]
    if told and not own:
        said = " and ".join(f"{name} {value!r}" for name, value in cell.items())
        problems.add(1, f"no row is of {said}; they are all of others")
    return _Imported(spec, path, problems, own, len(told) - len(own))


def _is_of(row: VerdictLine, cell: Mapping[str, Any]) -> bool:
    """Say whether a row is of a cell: none of its columns says otherwise."""
    return all(
        row.cell.get(name, str(value)) == str(value) for name, value in cell.items()
    )


def _in_order(found: Mapping[Key, VerdictLine], items: Sequence[Item]) -> list[Verdict]:
    keys = [(item.prompt_id, item.sample) for item in items]
    return [found[key].verdict if key in found else SILENT for key in keys]


def _match_blind(
    told: Sequence[VerdictLine],
    items: Sequence[Item],
    problems: FileProblems,
    answers: dict[Key, str],
) -> dict[Key, VerdictLine]:
    """Join rows to items whose texts are not here, so none is held against one.

    `answers` are the texts that earlier files named; this one's are added.
    """
    found = match([row._replace(response=None) for row in told], items, problems)
    responses = {row.line: row.response for row in told}
    for key, row in found.items():
        text = responses[row.line]
        if text is not None and answers.setdefault(key, text) != text:
            problems.add(
                row.line,
                "its `response` is another text than an earlier file's for the"
                " same item: their verdicts are of different answers",
            )
    return found


def _raise_any(files: Sequence[FileProblems]) -> None:
    """Raise what is wrong with all files in one message."""
    said = []
    for problems in files:
        try:
            problems.raise_any()
        except DataError as error:
            said.append(str(error))
    if said:
        raise DataError("\n".join(said))


def match(
    told: Sequence[VerdictLine], items: Sequence[Item], problems: FileProblems
) -> dict[Key, VerdictLine]:
    """Join rows to items by id; a row of no item, or not alone of one, is noted.

    An answer's text is checked where the row has it.
    """
    by_key = {(item.prompt_id, item.sample): item for item in items}
    requests = {item.prompt_id: item.request for item in items}
    prompts: dict[str, list[str]] = {}
    for prompt_id, request in requests.items():
        prompts.setdefault(request, []).append(prompt_id)
    found: dict[Key, VerdictLine] = {}
    for row in told:
        named = prompts.get(str(row.prompt), [])
        if row.prompt_id is None and len(named) == 1:
            row = row._replace(prompt_id=named[0])
        key = (str(row.prompt_id), row.sample)
        reason = _misnamed(row, requests, len(named)) or _misfit(row, by_key.get(key))
        if reason is None and key in found:
            reason = f"a second verdict for the item of line {found[key].line}"
        if reason is None:
            found[key] = row
        else:
            problems.add(row.line, reason)
    return found


def _misnamed(row: VerdictLine, requests: Mapping[str, str], named: int) -> str | None:
    """Say why a row names no prompt; `named` is how many have the text it names."""
    if row.prompt_id is None and named:
        return f"its `prompt` is the text of {named} prompts: name it by `prompt_id`"
    if row.prompt_id is None:
        among = f"any of the {len(requests)} prompts"
        return f"its `prompt` is not the text of {among}, to the letter"
    if row.prompt_id not in requests:
        return f"its prompt_id is none of the {len(requests)} prompts'"
    if row.prompt not in (None, requests[row.prompt_id]):
        return "its `prompt` is not the text of the prompt that its id names"
    return None


def _misfit(row: VerdictLine, item: Item | None) -> str | None:
    if item is None:
        return "its sample is none of the prompt's answers, which count from 0"
    if item.failed:
        return "its prompt was not answered here, so there is nothing to judge"
    # Judges of a kind read an answer with its prefill, or what follows it alone.
    if row.response is not None and row.response not in (item.text, item.answer):
        return "its `response` is not the answer that is judged, but another text"
    return None
