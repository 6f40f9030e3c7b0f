"""Tasks of capability suites: task files of a source, and rows of the registry's."""

from typing import Any

from safegrid.study import Study
from safegrid.study.sources import raw, whole


def task_blocks(study: Study, suite: str) -> dict[str, dict[str, Any]]:
    """Return the registry's tasks of a suite, with paths in place of file names."""
    known = study.config.tasks
    found = {name: known[name] for name in study.suites[suite].tasks if name in known}
    return {
        name: task.model_dump(exclude={"source", "runs_code"})
        | {"files": {k: raw(study, task.source, f) for k, f in task.files.items()}}
        for name, task in found.items()
    }


def task_files(study: Study, suite: str) -> list[str]:
    """Return the raw files of a suite; none for shipped tasks."""
    blocks = task_blocks(study, suite).values()
    rows = [path for block in blocks for path in block["files"].values()]
    files = whole(study, study.suites[suite].task_source)
    return list(dict.fromkeys([*files, *rows]))
