"""One judge's verdicts on one cell's responses; every kind of judge behind one call."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.config.judge import SCORERS
from safegrid.core.artifacts import (
    PathOrPaths,
    manifest,
    read_result,
    sha256_file,
    sha256_json,
    write_result,
    write_table,
)
from safegrid.core.errors import JudgeError
from safegrid.core.records import VERDICT
from safegrid.core.stages import VERSIONS
from safegrid.engine.asking import ask_model
from safegrid.judge.by_file import judge_by_file
from safegrid.judge.classifier import (
    check_one_output,
    read_classifier,
    read_entailment,
    read_scores,
)
from safegrid.judge.correction import judge_by_endpoint, read_correction
from safegrid.judge.fluency import read_fluency, with_label
from safegrid.judge.guard import read_guard
from safegrid.judge.items import (
    Item,
    Verdict,
    Work,
    count,
    read_items,
    unscored,
    verdict_table,
)
from safegrid.judge.reference import judge_by_reference, libraries_of
from safegrid.judge.refusals import judge_by_rules
from safegrid.models.checkpoints import Head, weights_hash, weights_of
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.usage import Record, keep

logger = logging.getLogger(__name__)

Read = Callable[[JudgeSpec, ChatTokenizer, Sequence[Item]], Work]


# The conversation whose rendered text is part of a verdict's version.
SHOWN = [
    {"role": "user", "content": "request"},
    {"role": "assistant", "content": "answer"},
]


# How each kind of judge is read, and which head of a model it needs.
KINDS: dict[str, tuple[Read, Head]] = {
    "guard": (read_guard, "causal"),
    "toxicity": (read_classifier, "classify"),
    "refusal": (read_classifier, "classify"),
    "fluency": (read_fluency, "causal"),
    "correction": (read_correction, "causal"),
    "reward": (read_scores, "classify"),
    "harmfulness": (read_scores, "classify"),
    "entailment": (read_entailment, "classify"),
}


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
    """
    items = read_items(prompts, responses)
    counts: dict[str, Any] = {}
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
    inputs = {
        "prompts": prompts,
        "responses": responses,
        "verdicts_file": verdicts_file,
        "calibration": calibration,
    }
    counts = {**count(items, verdicts), **counts}
    libraries = libraries_of(judge)
    facts = described("judge", judge, stack, record, inputs, libraries, **counts)
    if record is not None:
        keep(out, record)
    write_table(out, verdict_table(judge.name, items, verdicts), VERDICT, facts)
    logger.info("%s: %d verdicts, %s", judge.name, len(verdicts), facts["labels"])


def described(
    stage: str,
    judge: JudgeSpec,
    stack: list[Path],
    record: Record | None,
    inputs: Mapping[str, PathOrPaths | None],
    libraries: Sequence[str],
    params: Mapping[str, Any] | None = None,
    **counts: Any,
) -> dict[str, Any]:
    """Return the manifest of what a judge said; `record` says who answered."""
    return manifest(
        stage,
        inputs={name: path for name, path in inputs.items() if path is not None},
        params={"judge": judge.model_dump(), **(params or {})},
        libraries=("jinja2", "tokenizers", *libraries),
        engine=record and record.engine,
        template=shown_hash(stack),
        verdict_version=verdict_version(judge, stack),
        **counts,
    )


def write_measures(
    out: Path,
    judge: JudgeSpec,
    record: Record | None,
    measures: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write what was measured of a judge, with its manifest and what answers took."""
    if record is not None:
        keep(out, record)
    named = {"judge": judge.name, "kind": judge.kind}
    write_result(out, {**named, **measures, "manifest": facts})


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


def judge_items(
    judge: JudgeSpec,
    stack: list[Path],
    items: Sequence[Item],
    engine: EngineSpec,
    cache: Path,
    stage: str,
    fresh: bool = False,
) -> tuple[list[Verdict], Record | None]:
    """Judge items in their order; one that has no answer is `unscored` unasked.

    The first folder of the stack holds the tokenizer; of a text head it is its file,
    before its encoder. Rules and endpoints have none. `stage` is the one that asks. Who
    answered in what time is None where no engine was asked: BERTScore's encoder runs in
    the job.
    """
    answered = [item for item in items if not item.failed]
    versions = {"stage": VERSIONS[stage], "judge": judge.version}
    ask = partial(ask_model, engine, cache=cache, versions=versions, fresh=fresh)
    record = None
    if judge.kind == "reference":
        given = judge_by_reference(judge, stack, answered)
    elif judge.method == "rules":
        given = judge_by_rules(judge, answered)
    elif judge.method == "text_head":
        from safegrid.judge.text_head import judge_by_head

        given, record = judge_by_head(judge, stack, answered, ask)
    elif judge.method == "endpoint":
        # What is kept are its words; how they are read here is no part of them, and
        # another reading must not pay for them again.
        asked = {"judge": judge.version}
        given, record = judge_by_endpoint(judge, answered, cache, asked, fresh)
    else:
        read, head = KINDS[judge.kind]
        if judge.kind in SCORERS:
            # The last folder says what the model has become: an adapter has a head.
            check_one_output(judge, stack[-1])
        work = read(judge, ChatTokenizer.load(stack[0]), answered)
        given, record = ask(stack, head, work=work)
    verdicts = iter(given)
    found = [
        unscored("no answer to judge") if item.failed else next(verdicts)
        for item in items
    ]
    return found, record


def verdict_version(judge: JudgeSpec, stack: list[Path]) -> str:
    """Return a hash of all that a verdict depends on besides the engine."""
    parts = [judge.model_dump(), VERSIONS["judge"]]
    if judge.method == "model":
        parts += [shown_hash(stack), weights_hash(stack)]
    elif judge.method == "text_head":
        parts += [sha256_file(stack[0]), *map(weights_of, stack[1:])]
    return sha256_json(parts)


def shown_hash(stack: list[Path]) -> str | None:
    """Return a hash of a judge's template and of what it makes of a conversation.

    None for a judge that reads the response alone, and for one without a model or with
    one that is shown no conversation.
    """
    if not stack or not (stack[0] / "tokenizer.json").is_file():
        return None
    chat = ChatTokenizer.load(stack[0])
    if chat.template is None:
        return None
    return sha256_json([chat.template_hash, chat.render(SHOWN, True)])
