"""From published raw files to a table, without any study: verdicts of elsewhere.

`import_verdicts` reads one model's verdicts on one benchmark, `score_verdicts` scores
what several calls of it read. Both compose functions of several rooms, which meet
through the files of an import's folder: `prompts.parquet`, `verdicts/{judge}.parquet`
and `manifest.json`.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import polars as pl

from safegrid.artifacts import (
    MANIFEST,
    atomic_directory,
    manifest,
    read_json,
    read_table,
    write_json,
    write_table,
)
from safegrid.config import JudgeSpec, PromptSpec, SourceSpec
from safegrid.config.blocks import BY_FILE
from safegrid.config.checks import NAME
from safegrid.config.data import PROMPT_FORMATS, PromptKind
from safegrid.data.prompts import prepare_prompts
from safegrid.errors import ConfigError, DataError
from safegrid.judge.imported import import_files
from safegrid.judge.refusals import CLASSES, REFUSAL
from safegrid.records import PROMPT, SCORE
from safegrid.report.imported import imported_table
from safegrid.report.writing import save
from safegrid.score.imported import score_imported

PROMPTS, VERDICTS = "prompts.parquet", "verdicts"
CLASSED: dict[str, dict[str, Any]] = {
    "refusal": {"classes": list(CLASSES), "positive": REFUSAL},
    "toxicity": {"classes": ["toxic"], "positive": "toxic"},
}
"""The classes of kinds that have some; a toxicity is read by its score."""


def import_verdicts(
    prompts: Path,
    benchmark: str,
    model: str,
    verdicts: list[str],
    out: Path,
    kind: str | None = None,
    words: list[str] | None = None,
    threshold: float = 0.5,
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

    Raises:
        ConfigError: what is wrong with the options, all at once.
        DataError: what is wrong with the files.
    """
    judges = _judges(verdicts, kind, words, threshold, {model, benchmark})
    with atomic_directory(out) as folder:
        asked = folder / PROMPTS
        _write_prompts(benchmark, kind, prompts, asked)
        (folder / VERDICTS).mkdir()
        cell = {"recipe": model, "benchmark": benchmark}
        counts = import_files(judges, asked, cell, folder / VERDICTS)
        facts = manifest(
            "import-verdicts",
            {"prompts": prompts, "verdicts": [path for _, path in judges]},
            {"model": model, "benchmark": benchmark, "kind": kind},
            judges={spec.name: spec.kind for spec, _ in judges},
            counts=counts,
        )
        write_json(folder / MANIFEST, facts)
    for name, found in counts.items():
        print(f"{name}: {found['rows']} items, {found['unscored']} of them unscored")


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
    print(save(imported_table(scores, *order), out).text)


def _judges(
    verdicts: list[str],
    kind: str | None,
    words: list[str] | None,
    threshold: float,
    names: set[str],
) -> list[tuple[JudgeSpec, Path]]:
    """Return each judge with its file, or raise all that is wrong with the options."""
    wrong = []
    if kind is not None and kind not in PROMPT_FORMATS:
        kinds = ", ".join(sorted(get_args(PromptKind)))
        wrong.append(f"--kind {kind!r}: expected one of {kinds}")
    safe, unsafe = words if words and len(words) == 2 else ("safe", "unsafe")
    if words is not None and (len(words) != 2 or safe == unsafe):
        wrong.append("--words: expected the guards' word for safe and that for unsafe")
    judges = []
    for text in verdicts:
        name, _, rest = text.partition("=")
        its_kind, _, file = rest.partition("=")
        names.add(name)
        if its_kind not in BY_FILE or not file:
            wrong.append(
                f"--verdicts {text!r}: expected judge=kind=file with a kind of"
                f" {', '.join(BY_FILE)}"
            )
            continue
        of_guard = {"safe": safe, "unsafe": unsafe, "threshold": threshold}
        more = CLASSED.get(its_kind, of_guard if its_kind == "guard" else {})
        spec = JudgeSpec(name=name, kind=its_kind, method="file", **more)
        judges.append((spec, Path(file)))
    wrong += [
        f"{name!r} is no name: letters, digits and _ . + -"
        for name in sorted(names)
        if not NAME.fullmatch(name)
    ]
    counted = Counter(spec.name for spec, _ in judges)
    wrong += [f"judge {n!r} is given {c} times" for n, c in counted.items() if c > 1]
    if not verdicts:
        wrong.append("--verdicts: expected judge=kind=file, one or more")
    if wrong:
        raise ConfigError("import-verdicts:\n" + "\n".join(f"  {w}" for w in wrong))
    return judges


def _write_prompts(benchmark: str, kind: str | None, file: Path, out: Path) -> None:
    if kind is None:
        read_table(file, PROMPT)
        shutil.copyfile(file, out)
        return
    spec = PromptSpec.model_validate({"source": "given", "file": "it", "kind": kind})
    source = SourceSpec.model_validate(
        {
            "format": PROMPT_FORMATS[spec.kind],
            "files": {"it": file.name},
            "licence": "",
            "content": "",
        }
    )
    prepare_prompts(benchmark, spec, source, file, out)


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    facts = read_json(path) if path.is_file() else {}
    if facts.get("stage") != "import-verdicts":
        raise DataError(f"{folder}: no import; make it by safegrid import-verdicts")
    return dict(facts)


def _check_apart(facts: dict[Path, dict[str, Any]]) -> None:
    seen: dict[tuple[str, ...], Path] = {}
    for folder, found in facts.items():
        for judge in found["judges"]:
            key = (found["params"]["model"], found["params"]["benchmark"], judge)
            if key in seen:
                raise DataError(
                    f"{folder}: judge {judge!r} of model {key[0]!r} on {key[1]!r}"
                    f" stands in {seen[key]} too; name one of the two"
                )
            seen[key] = folder
