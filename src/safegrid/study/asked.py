"""Files and models that a study asks for, each with the key that asks for it."""

from collections.abc import Iterator

from safegrid.config.judge_entry import JudgeEntry
from safegrid.study import Study


def asked_bases(study: Study) -> Iterator[tuple[str, str]]:
    """Give every base of the study, with the key that asks for it."""
    entry = study.config.study
    yield from ((base, "bases") for base in entry.bases)
    yield from ((base, "compared") for base in entry.compared)
    for name, recipe in study.config.recipes.items():
        if recipe.base is not None:
            yield recipe.base, f"recipes.{name}.base"


def asked_judges(study: Study) -> Iterator[tuple[str, str]]:
    """Give every judge that has a folder of its own, with the key that asks for it."""
    for name, spec in study.asked.items():
        for judge in spec.judges:
            if _has_folder(study.config.judges[judge]):
                yield judge, f"{_section(study, name)}.judges"


def asked_encoders(study: Study) -> Iterator[tuple[str, str]]:
    """Give every encoder whose vectors a judge of the study reads, with the key."""
    for name, judge in study.judges.items():
        if judge.encoder is not None:
            yield judge.encoder, f"judges.{name}.encoder"


def _section(study: Study, asked: str) -> str:
    """The key of a benchmark, or of the dataset that a prompt pool is for."""
    if asked in study.with_overlap:
        return f"benchmarks.{asked}"
    return f"datasets.{asked.partition('/')[0]}"


def asked_files(study: Study) -> list[tuple[str, str, str]]:
    """Return source and short name of every raw file of the study, and the key."""
    return [
        *_of_datasets(study),
        *_of_prompts(study),
        *_of_suites(study),
        *_of_judges(study),
    ]


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


def _of_prompts(study: Study) -> Iterator[tuple[str, str, str]]:
    for name, prompts in study.with_prompts.items():
        key = _section(study, name)
        yield prompts.source, prompts.file, f"{key}.prompts"
        if prompts.plain is not None:
            yield prompts.source, prompts.plain, f"{key}.prompts"


def _of_suites(study: Study) -> Iterator[tuple[str, str, str]]:
    config = study.config
    for name, suite in study.suites.items():
        if suite.task_source is not None:
            for file in config.sources[suite.task_source].files:
                yield suite.task_source, file, f"benchmarks.{name}.task_source"
        for task in (n for n in suite.tasks if n in config.tasks):
            for file in config.tasks[task].files.values():
                yield config.tasks[task].source, file, f"tasks.{task}"


def _of_judges(study: Study) -> Iterator[tuple[str, str, str]]:
    for judge, entry in study.judges.items():
        key = f"judges.{judge}"
        if entry.labelled_source is not None:
            yield (
                entry.labelled_source,
                str(entry.labelled_file),
                f"{key}.labelled_source",
            )
        for part in entry.trained_on:
            yield part.source, part.file, f"{key}.trained_on"
        if entry.method == "file":
            yield (
                str(entry.verdicts_source),
                str(entry.verdicts_file),
                f"{key}.verdicts_source",
            )


def _has_folder(judge: JudgeEntry) -> bool:
    """Whether a judge has a folder of its own.

    Fluency is judged by the base, a reward model may be the study's own, rules and
    files have none.
    """
    own = judge.kind != "fluency" and judge.recipe is None
    return own and judge.method == "model"
