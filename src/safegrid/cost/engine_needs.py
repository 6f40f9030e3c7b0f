"""Memory of engines, one or several at once, and settings that change it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.engine import EngineSpec
from safegrid.cost.memory import Memory, Use, engine_memory, judge_use, together
from safegrid.cost.need import Change, Need, Settings, halved
from safegrid.cost.shapes import Known, judge_shape
from safegrid.study import Study

# Tokens of a chunk below which a smaller one is no help to anybody.
LEAST_TOKENS = 1024


def engine_needs(
    study: Study,
    bases: Mapping[str, Known],
    gpus: Mapping[str, tuple[str, GpuSpec]],
    root: Path,
) -> Iterator[Need]:
    """Give a need for each model of an engine; a server that runs is not ours."""
    judges: list[tuple[str, Need]] = []
    for rule, subject, base, shape, use in _served(study, bases, root):
        engine = study.engine(base)
        if rule in gpus and engine.kind != "address":
            need = _engine(rule, subject, shape, engine, gpus[rule][1], use)
            yield need
            if rule == "judge":
                judges.append((base, need))
    for base in bases:
        of_base = [need for own, need in judges if own in ("", base)]
        yield from _at_once(base, of_base, study.engine("").max_engines)


def _at_once(base: str, judges: list[Need], most: int) -> Iterator[Need]:
    """Give the largest judges of a model, whose engines a job may hold together."""
    largest = sorted(judges, key=lambda need: -need.memory.total)[:most]
    if len(largest) < 2:
        return

    def after(changed: Settings) -> Memory:
        return together([need.memory for need in largest[: changed["max_engines"]]])

    names = " and ".join(need.subject.removeprefix("judge by ") for need in largest)
    yield Need(
        "judge",
        f"judges of {base}'s answers at once ({names})",
        together([need.memory for need in largest]),
        "engine",
        [
            [
                (f"`max_engines: {n}`", {"max_engines": n})
                for n in range(len(largest) - 1, 0, -1)
            ]
        ],
        after,
    )


def _served(
    study: Study, bases: Mapping[str, Known], root: Path
) -> Iterator[tuple[str, str, str, ShapeSpec, Use]]:
    """Give the rule, the jobs in words, the base, the model, and what it does.

    A judge that is the same for all bases has none.
    """
    asked = {name: known for name, known in bases.items() if name in study.bases}
    for base, known in asked.items():
        if study.prompted:
            yield "generate", f"generate by {base}", base, known.shape, "write"
        if study.suites:
            yield "capability", f"capability by {base}", base, known.shape, "write"
        if study.likelihoods:
            said = f"known answers read by {base}"
            yield "reference_likelihood", said, base, known.shape, "score"
    for name in study.judges:
        entry = study.config.judges[name]
        use = judge_use(entry)
        if entry.method != "model":
            continue
        for base in asked if entry.kind == "fluency" else ("",):
            found = judge_shape(study, name, base, root)
            if found is not None:
                of = f" of {base}" if base else ""
                yield "judge", f"judge by {name}{of}", base, found.shape, use
                if (name, base) in study.calibrated():
                    yield (
                        "calibrate",
                        f"calibrate {name}{of}",
                        base,
                        found.shape,
                        "write",
                    )
                if name in study.validated():
                    yield (
                        "validate_judge",
                        f"validation of {name}",
                        base,
                        found.shape,
                        use,
                    )


def _engine(
    rule: str,
    subject: str,
    shape: ShapeSpec,
    engine: EngineSpec,
    gpu: GpuSpec,
    use: Use,
) -> Need:
    def after(changed: Settings) -> Memory:
        return engine_memory(shape, engine.model_copy(update=changed), gpu, use)

    return Need(
        rule,
        subject,
        engine_memory(shape, engine, gpu, use),
        "engine",
        _engine_axes(engine),
        after,
    )


def _engine_axes(engine: EngineSpec) -> list[list[Change]]:
    axes: list[list[Change]] = []
    if engine.kind == "safegrid":
        axes.append(halved("max_batch_tokens", engine.max_batch_tokens, LEAST_TOKENS))
        axes.append(halved("batch_size", engine.batch_size, 1))
    if engine.dtype == "float32":
        axes.append([("`dtype: bfloat16`", {"dtype": "bfloat16"})])
    return [axis for axis in axes if axis]
