"""Training of a text head, with its validation by whole files that are left out."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safegrid.config import EngineSpec, HeadSpec
from safegrid.core.artifacts import manifest, write_result
from safegrid.core.stages import VERSIONS
from safegrid.judge.agreement import agreement_of, measures_of
from safegrid.judge.encode import with_encoder
from safegrid.judge.head_rows import File, check_files, read_file
from safegrid.judge.reference import HEAD
from safegrid.judge.refusals import find_refusal
from safegrid.judge.text_head import Encode, Head, Row, Text, decide, train
from safegrid.runtime.usage import keep

logger = logging.getLogger(__name__)


def text_head(
    judge: HeadSpec,
    encoder: Path | None,
    rows: list[Path],
    formats: list[str],
    engine: EngineSpec,
    cache: Path,
    out: Path,
) -> None:
    """Train a head on all labelled files, and validate it on each left out in turn.

    A file is the answers of one model, so what is validated is how the head judges a
    model that it has not met. Of each file: the measures of `validate_judge`, of the
    head that was trained without it (`left_out`), and of the rules (`rules`).

    Args:
        judge: classes, features and penalty, and what each file is.
        encoder: folder of the encoder; none where no feature needs it.
        rows: a file for each of `judge.trained_on`, in the same order.
        formats: of the files' sources, in the same order.
        engine: serves the encoder.
        cache: file of its vectors.
        out: the head's weights and its validation, as JSON.

    Raises:
        DataError: a broken row.
        JudgeError: a class is missing.
        EngineError: the encoder's engine does not answer.
    """
    parts = zip(judge.trained_on, rows, formats, strict=True)
    files = [read_file(part, path, kind, judge.classes) for part, path, kind in parts]
    left_out = check_files(files, _main(judge))

    def work(encode: Encode) -> tuple[Head, dict[str, Any]]:
        validated = {f.part.name: _without(judge, files, f, encode) for f in left_out}
        every = [row for file in files for row in _rows(file)]
        return train(every, judge, encode), validated

    folders = [] if encoder is None else [encoder]
    versions = {"stage": VERSIONS["text_head"]}
    (head, validated), record = with_encoder(work, folders, engine, cache, versions)
    _tell(judge.name, validated)
    facts = manifest(
        "text_head",
        inputs={"rows": rows, **({} if encoder is None else {"encoder": encoder})},
        params={"judge": judge.model_dump(), "formats": formats},
        libraries=HEAD,
        engine=record and record.engine,
        files={file.part.name: _count(file) for file in files},
    )
    found = {
        "judge": judge.name,
        "head": head.plain(),
        "left_out": validated,
        "rules": {f.part.name: _by_rules(judge, f) for f in left_out},
        "manifest": facts,
    }
    if record is not None:
        keep(out, record)
    write_result(out, found)


def _main(judge: HeadSpec) -> list[str]:
    """Return the positive class, and the one that kappa sets against it."""
    other = next(name for name in judge.classes if name != judge.positive)
    return [judge.positive, other]


def _rows(file: File) -> list[Row]:
    return [
        Row(Text(row.prompt, row.prefill + row.response), row.label, file.part.name)
        for row in file.rows
    ]


def _tell(judge: str, validated: dict[str, Any]) -> None:
    for file, found in validated.items():
        kappa = found["kappa"]
        said = "%s without %s: kappa %.3f, n %d"
        logger.info(said, judge, file, kappa["value"], kappa["n"])


def _without(
    judge: HeadSpec, files: Sequence[File], left_out: File, encode: Encode
) -> dict[str, Any]:
    """Return the measures on one file of a head that was trained on the others."""
    others = [row for file in files if file is not left_out for row in _rows(file)]
    head = train(others, judge, encode)
    texts = [row.text for row in _rows(left_out)]
    said = [
        decide(row, head.classes, judge.positive, judge.threshold)
        for row in head.probabilities(texts, encode).tolist()
    ]
    return _measures(judge, left_out, said)


def _by_rules(judge: HeadSpec, file: File) -> dict[str, Any]:
    """Return the measures of the rules on the same rows."""
    said = [find_refusal(row.prefill + row.response).label for row in file.rows]
    return _measures(judge, file, said)


def _measures(judge: HeadSpec, file: File, said: Sequence[str]) -> dict[str, Any]:
    pairs = [(row.label, label) for row, label in zip(file.rows, said, strict=True)]
    return {
        **measures_of(pairs, judge.positive),
        **agreement_of(file.rows, pairs, judge.classes, judge.positive),
    }


def _count(file: File) -> dict[str, Any]:
    kept = Counter(row.label for row in file.rows)
    return {
        "kept": dict(sorted(kept.items())),
        "dropped": dict(sorted(file.dropped.items())),
    }
