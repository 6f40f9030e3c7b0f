"""One judge's verdicts on one cell's responses."""

import logging
from pathlib import Path
from typing import Any

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import manifest, read_result, write_table
from safegrid.core.errors import JudgeError
from safegrid.core.records import VERDICT
from safegrid.judge.by_file import judge_by_file
from safegrid.judge.fluency import with_label
from safegrid.judge.items import Verdict, count, read_items, verdict_table
from safegrid.judge.reference import libraries_of
from safegrid.judge.verdicts import judge_items, shown_hash, verdict_version
from safegrid.runtime.usage import keep

logger = logging.getLogger(__name__)


def judge(
    judge: JudgeSpec,
    stack: list[Path],
    prompts: Path,
    responses: Path,
    engine: EngineSpec,
    cache: Path,
    out: Path,
    fresh: bool = False,
    verdicts_file: Path | None = None,
    calibration: Path | None = None,
    cell: dict[str, Any] | None = None,
) -> None:
    """Write a verdict for every response: `responses/` to `verdicts/`.

    Args:
        judge: how the judge's model is read.
        stack: folders of the judge's model; `fluency`: the base; rules, files: none.
        prompts: rows of PROMPT, the benchmark's.
        responses: rows of RESPONSE to them.
        engine: which engine answers for the judge.
        cache: file of this cell's answers; what it holds is not asked again.
        out: rows of VERDICT, in the order of the responses.
        fresh: ignore the cache.
        verdicts_file: of a judge by file: its verdicts from elsewhere.
        calibration: of a judge of fluency: JSON of stage `calibrate`, its threshold.
        cell: of a judge by file: base, recipe, seed and benchmark of the responses.

    Raises:
        DataError: prompts, responses and verdicts do not belong together.
        JudgeError: the judge's model cannot be read in the way that `judge` says.
        EngineError: the engine does not answer.
    """
    items = read_items(prompts, responses)
    counts: dict[str, int] = {}
    record = None
    if judge.method == "file":
        file, whose = _handed_over(judge, verdicts_file, cell)
        verdicts, counts = judge_by_file(judge, file, items, whose)
    else:
        verdicts, record = judge_items(
            judge, stack, items, engine, cache, "judge", fresh
        )
    if judge.kind == "fluency":
        verdicts = _labelled(judge, verdicts, calibration)
    facts = manifest(
        "judge",
        inputs=_inputs(prompts, responses, verdicts_file, calibration),
        params={"judge": judge.model_dump()},
        libraries=("jinja2", "tokenizers", *libraries_of(judge)),
        engine=record and record.engine,
        template=shown_hash(stack),
        verdict_version=verdict_version(judge, stack),
        **count(items, verdicts),
        **counts,
    )
    if record is not None:
        keep(out, record)
    write_table(out, verdict_table(judge.name, items, verdicts), VERDICT, facts)
    logger.info("%s: %d verdicts, %s", judge.name, len(verdicts), facts["labels"])


def _inputs(*files: Path | None) -> dict[str, Path]:
    names = ("prompts", "responses", "verdicts_file", "calibration")
    given = zip(names, files, strict=True)
    return {name: path for name, path in given if path is not None}


def _labelled(
    judge: JudgeSpec, verdicts: list[Verdict], calibration: Path | None
) -> list[Verdict]:
    if calibration is None:
        raise JudgeError(
            f"judge {judge.name}: kind 'fluency' needs the threshold that"
            " `safegrid calibrate` fixes: --calibration"
        )
    threshold = float(read_result(calibration)["threshold"])
    return [with_label(verdict, threshold) for verdict in verdicts]


def _handed_over(
    judge: JudgeSpec, file: Path | None, cell: dict[str, Any] | None
) -> tuple[Path, dict[str, Any]]:
    if file is None or cell is None:
        raise JudgeError(
            f"judge {judge.name}: method 'file' needs its file of verdicts and the"
            " cell's names: --verdicts-file and --cell"
        )
    return file, cell
