"""What a capability suite reads: task files of a source, and rows of the registry's."""

from typing import Any

from safegrid.config.study import TaskEntry
from safegrid.consent import RUN_CODE, allowed
from safegrid.study import Study


def task_files(study: Study, suite: str) -> list[str]:
    """Return the raw files of a capability suite; none for shipped tasks."""
    source = study.config.benchmarks[suite].task_source
    named = [] if source is None else list(study.config.sources[source].files)
    files = [study.raw(str(source), file) for file in named]
    blocks = task_blocks(study, suite).values()
    rows = [path for block in blocks for path in block["files"].values()]
    return list(dict.fromkeys([*files, *rows]))


def task_blocks(study: Study, suite: str) -> dict[str, dict[str, Any]]:
    """Return the registry's tasks of a suite, with paths in place of file names."""
    return {
        name: _block(study, study.config.tasks[name])
        for name in study.config.benchmarks[suite].tasks
        if name in study.config.tasks
    }


def _block(study: Study, task: TaskEntry) -> dict[str, Any]:
    files = {split: study.raw(task.source, file) for split, file in task.files.items()}
    return task.model_dump(exclude={"source", "runs_code"}) | {"files": files}


def refused(study: Study) -> str:
    """Return a sentence on tasks that will stop for want of consent, if there are any.

    It is said while planning and does not end it: the task's own job refuses.
    """
    names = [
        name
        for spec in study.suites.values()
        for name in spec.tasks
        if name in study.config.tasks
        and study.config.tasks[name].runs_code
        and not allowed(RUN_CODE, name)
    ]
    if not names:
        return ""
    listed = ",".join(dict.fromkeys(names))
    return (
        f"scoring {listed} runs Python code that models wrote: its jobs will refuse"
        f" unless {RUN_CODE}={listed} is set"
    )
