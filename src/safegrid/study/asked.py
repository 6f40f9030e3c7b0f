"""Files and models that a study asks for, each with the key that asks for it."""

from collections.abc import Iterator
from typing import NamedTuple

from safegrid.config.lock import Kind
from safegrid.study import Study


class Asked(NamedTuple):
    """Something that a study uses, whether it comes from upstream or from a world.

    Attributes:
        name: of a source, a base, a judge or an encoder.
        key: of the configuration, which asks for it.
        file: of a source: its short name.
    """

    kind: Kind
    name: str
    key: str
    file: str | None = None


def asked(study: Study) -> Iterator[Asked]:
    """Give all that a study uses: bases, judges, encoders, then files by source."""
    entry = study.config.study
    yield from (Asked("base", base, "bases") for base in entry.bases)
    yield from (Asked("base", base, "compared") for base in entry.compared)
    for name, recipe in study.config.recipes.items():
        if recipe.base is not None:
            yield Asked("base", recipe.base, f"recipes.{name}.base")
    for name, spec in study.asked.items():
        for judge in spec.judges:
            own = study.config.judges[judge]
            # The others are the base, the study's own, or have no model.
            if own.method == "model" and own.kind != "fluency" and not own.recipe:
                yield Asked("judge", judge, f"{_section(study, name)}.judges")
    for name, head in study.judges.items():
        if head.encoder is not None:
            yield Asked("encoder", head.encoder, f"judges.{name}.encoder")
    files = [*_of_datasets(study), *_of_benchmarks(study), *_of_judges(study)]
    for source, file, key in sorted(files, key=lambda found: found[0]):
        yield Asked("source", source, key, file)


def _section(study: Study, asked: str) -> str:
    """The key of a benchmark, or of the dataset that a prompt pool is for."""
    if asked in study.with_overlap:
        return f"benchmarks.{asked}"
    return f"datasets.{asked.partition('/')[0]}"


def _of_datasets(study: Study) -> Iterator[tuple[str, str, str]]:
    config = study.config
    for base in study.all_bases:
        world = config.worlds.get(name := config.bases[base].world or "")
        for text in world.texts if world else ():
            yield text.source, text.file, f"worlds.{name}.text"
    for name, dataset in config.study.datasets.items():
        for part in dataset.rows_from:
            yield part.source, part.file, f"datasets.{name}"
    for name, made in study.corrected.items():
        key = f"datasets.{name}.corrections"
        yield made.requests.source, made.requests.file, f"{key}.requests"
        if made.beams is not None:
            for file in config.sources[made.beams.source].files:
                yield made.beams.source, file, f"{key}.beams"
    for name, pairs in study.rejected_by_model.items():
        for part in pairs.chosen:
            key = f"datasets.{name}.rejected_by_model.chosen"
            yield part.source, part.file, key


def _of_benchmarks(study: Study) -> Iterator[tuple[str, str, str]]:
    config = study.config
    for name, prompts in study.with_prompts.items():
        key = f"{_section(study, name)}.prompts"
        yield prompts.source, prompts.file, key
        if prompts.plain is not None:
            yield prompts.source, prompts.plain, key
    for name, suite in study.suites.items():
        if suite.task_source is not None:
            for file in config.sources[suite.task_source].files:
                yield suite.task_source, file, f"benchmarks.{name}.task_source"
        for task in (n for n in suite.tasks if n in config.tasks):
            for file in config.tasks[task].files.values():
                yield config.tasks[task].source, file, f"tasks.{task}"


def _of_judges(study: Study) -> Iterator[tuple[str, str, str]]:
    for name, judge in study.judges.items():
        if judge.labelled_source is not None:
            key = f"judges.{name}.labelled_source"
            yield judge.labelled_source, str(judge.labelled_file), key
        for part in judge.trained_on:
            yield part.source, part.file, f"judges.{name}.trained_on"
        if judge.verdicts_source is not None:
            key = f"judges.{name}.verdicts_source"
            yield judge.verdicts_source, str(judge.verdicts_file), key
