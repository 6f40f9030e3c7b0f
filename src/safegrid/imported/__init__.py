"""From published raw files to a table, without any study: verdicts of elsewhere.

One subcommand reads files of verdicts, the other scores what was read. They compose
functions of several rooms, which meet through the files of an import's folder:
`prompts.parquet`, `verdicts/{judge}.parquet` and `manifest.json`.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config import JudgeSpec, PromptSpec, SourceSpec
from safegrid.config.block import NAMING, is_name
from safegrid.config.judge import BY_FILE
from safegrid.config.prompt import PROMPT_FORMATS
from safegrid.core.artifacts import (
    MANIFEST,
    METADATA_KEY,
    atomic_directory,
    manifest,
    read_columns,
    read_result,
    write_result,
    write_table,
)
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import PROMPT, SCORE
from safegrid.core.seals import check_seal
from safegrid.data.prompts import prepare_prompts
from safegrid.judge.by_file import import_files
from safegrid.judge.refusals import CLASSES, REFUSAL
from safegrid.judge.verdict_file import CELL, ITEM, SAID
from safegrid.report.tables import imported_table
from safegrid.report.writing import save
from safegrid.score.cell import score_imported

PROMPTS, VERDICTS = "prompts.parquet", "verdicts"
OURS = (*ITEM, *SAID, *CELL)


def import_verdicts(
    prompts: Path,
    benchmark: str,
    model: str,
    verdicts: list[str],
    out: Path,
    kind: str | None = None,
    words: list[str] | None = None,
    threshold: float = 0.5,
    fields: list[str] | None = None,
) -> None:
    """Read verdicts of elsewhere on the answers of one model to one benchmark.

    Args:
        prompts: the benchmark's file upstream, or rows of PROMPT (parquet).
        benchmark: what the benchmark is called.
        model: what the model is called.
        verdicts: `judge=kind=file` each: a name, one of BY_FILE, and a file of format
            `verdicts`.
        out: folder to write.
        kind: how rows of an upstream file become prompts, a kind of the registry of
            benchmarks; null for rows of PROMPT.
        words: the two words of guards, first the one for safe.
        threshold: P(unsafe) from which on a guard's score is unsafe.
        fields: `ours=theirs` each, where the files call a field something else; then
            fields that are none of ours are left aside.

    Raises:
        ConfigError: what is wrong with the options, all at once.
        DataError: what is wrong with the files.
    """
    given = [text.split("=", 2) for text in verdicts]
    words = ["safe", "unsafe"] if words is None else words
    _check([benchmark, model], given, kind, words, threshold, fields or [])
    judges = [(_judge(n, k, words, threshold), Path(f)) for n, k, f in given]
    pairs = (text.partition("=") for text in fields or [])
    called = None if fields is None else {theirs: ours for ours, _, theirs in pairs}
    with atomic_directory(out) as folder:
        asked = folder / PROMPTS
        _write_prompts(benchmark, kind, prompts, asked)
        (folder / VERDICTS).mkdir()
        cell = {"recipe": model, "benchmark": benchmark}
        counts = import_files(judges, asked, cell, folder / VERDICTS, called)
        facts = manifest(
            "import-verdicts",
            {"prompts": prompts, "verdicts": [path for _, path in judges]},
            {"model": model, "benchmark": benchmark, "kind": kind},
            judges={spec.name: spec.kind for spec, _ in judges},
            counts=counts,
        )
        write_result(folder / MANIFEST, facts)
    for name, found in counts.items():
        print(f"{name}: {found['rows']} items, {found['unscored']} of them unscored")


def _check(
    names: list[str],
    given: list[list[str]],
    kind: str | None,
    words: list[str],
    threshold: float,
    fields: list[str],
) -> None:
    judges = [part[0] for part in given]
    # Names become files and rows of tables.
    every = dict.fromkeys([*names, *judges])
    wrong = [f"{name!r} is no name: {NAMING}" for name in every if not is_name(name)]
    if kind is not None and kind not in PROMPT_FORMATS:
        known = ", ".join(sorted(PROMPT_FORMATS))
        wrong.append(f"--kind {kind!r}: expected one of {known}")
    for text in fields:
        ours, _, theirs = text.partition("=")
        if ours not in OURS or not theirs:
            said = f"expected ours=theirs with one of ours of {', '.join(OURS)}"
            wrong.append(f"--fields {text!r}: {said}")
    if len(words) != 2 or words[0] == words[1]:
        said = "expected two, the guards' word for safe, then for unsafe"
        wrong.append(f"--words: {said}")
    if not 0 <= threshold <= 1:
        wrong.append(f"--threshold {threshold:g}: expected a probability, 0 to 1")
    for part in given:
        if len(part) != 3 or part[1] not in BY_FILE:
            said = f"expected judge=kind=file with a kind of {', '.join(BY_FILE)}"
            wrong.append(f"--verdicts {'='.join(part)!r}: {said}")
    counts = Counter(judges).items()
    wrong += [f"judge {name!r} is given {n} times" for name, n in counts if n > 1]
    if not given:
        wrong.append("--verdicts: expected judge=kind=file, one or more")
    if wrong:
        raise ConfigError("import-verdicts:\n" + "\n".join(f"  {w}" for w in wrong))


def _judge(name: str, kind: str, words: list[str], threshold: float) -> JudgeSpec:
    """Return a judge of a kind; a toxicity is read by its score."""
    more: dict[str, dict[str, Any]] = {
        "refusal": {"classes": list(CLASSES), "positive": REFUSAL},
        "toxicity": {"classes": ["toxic"], "positive": "toxic"},
        "guard": {"safe": words[0], "unsafe": words[1], "threshold": threshold},
    }
    block = {"name": name, "kind": kind, "method": "file", **more.get(kind, {})}
    return JudgeSpec.model_validate(block)


def _write_prompts(benchmark: str, kind: str | None, file: Path, out: Path) -> None:
    if kind is None:
        rows = read_columns(file, PROMPT)
        if METADATA_KEY in pl.read_parquet_metadata(file):
            check_seal(file)
            shutil.copyfile(file, out)
        else:
            facts = manifest("import-verdicts", {"prompts": file}, {}, rows=len(rows))
            write_table(out, rows, PROMPT, facts)
        return
    spec = PromptSpec.model_validate({"source": "given", "file": "it", "kind": kind})
    given = {"format": PROMPT_FORMATS[spec.kind], "files": {"it": file.name}}
    source = SourceSpec.model_validate({**given, "licence": "", "content": ""})
    prepare_prompts(benchmark, spec, source, file, out)


def score_verdicts(
    imported: list[Path], out: Path, most_unscored: float = 0.05, seed: int = 0
) -> None:
    """Score imports and write `scores.parquet` and a table of them.

    Args:
        imported: folders of `import_verdicts`; their order is the table's.
        out: folder for `scores.parquet` and `imported.csv`, `.md` and `.tex`.
        most_unscored: share of unscored answers above which a score is refused.
        seed: of the bootstraps.

    Raises:
        DataError: a folder is no import, or two give verdicts of one judge on one
            model and benchmark.
    """
    facts = {folder: _facts(folder) for folder in imported}
    _check_apart(facts)
    frames = [
        score_imported(
            model=found["params"]["model"],
            benchmark=found["params"]["benchmark"],
            judges=found["judges"],
            prompts=folder / PROMPTS,
            verdicts=[
                folder / VERDICTS / f"{name}.parquet" for name in found["judges"]
            ],
            most_unscored=most_unscored,
            seed=seed,
        )
        for folder, found in facts.items()
    ]
    scores = pl.concat(frames)
    params = [found["params"] for found in facts.values()]
    order = (list(dict.fromkeys(p[n] for p in params)) for n in ("model", "benchmark"))
    out.mkdir(parents=True, exist_ok=True)
    about = manifest(
        "score-verdicts",
        {"imported": [folder / MANIFEST for folder in imported]},
        {"most_unscored": most_unscored, "seed": seed},
        ("scipy",),
        rows=len(scores),
    )
    write_table(out / "scores.parquet", scores, SCORE, about)
    print(save(imported_table(scores, *order), out))


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    facts = read_result(path) if path.is_file() else {}
    if facts.get("stage") != "import-verdicts":
        raise DataError(f"{folder}: no import; make it by safegrid import-verdicts")
    return dict(facts)


def _check_apart(facts: dict[Path, dict[str, Any]]) -> None:
    seen: dict[tuple[str, ...], Path] = {}
    for folder, found in facts.items():
        model, benchmark = found["params"]["model"], found["params"]["benchmark"]
        for judge in found["judges"]:
            first = seen.setdefault((model, benchmark, judge), folder)
            if first != folder:
                raise DataError(
                    f"{folder}: judge {judge!r} of model {model!r} on {benchmark!r}"
                    f" stands in {first} too; name one of the two"
                )
