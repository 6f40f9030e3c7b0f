"""Capability suites: task files of a source, and rows of the registry's tasks."""

import json
from typing import Any

from safegrid.config.benchmark import TaskEntry
from safegrid.study.sources import SourceFiles


class SuiteFiles(SourceFiles):
    """A study, asked for what lm-evaluation-harness is given."""

    def tasks(self, suite: str) -> list[str]:
        """The names of a suite's tasks."""
        return self.config.benchmarks[suite].tasks

    def task_files(self, suite: str) -> list[str]:
        """The raw files of a suite; none for shipped tasks."""
        source = self.config.benchmarks[suite].task_source
        named = [] if source is None else list(self.config.sources[source].files)
        files = [self.raw(str(source), file) for file in named]
        blocks = self.task_blocks(suite).values()
        rows = [path for block in blocks for path in block["files"].values()]
        return list(dict.fromkeys([*files, *rows]))

    def task_blocks(self, suite: str) -> dict[str, dict[str, Any]]:
        """The registry's tasks of a suite, with paths in place of file names."""
        return {
            name: self._task_block(self.config.tasks[name])
            for name in self.tasks(suite)
            if name in self.config.tasks
        }

    def task_blocks_json(self, suite: str) -> str:
        """The same, as the harness's job is given them."""
        return json.dumps(self.task_blocks(suite))

    def items_limit(self, suite: str) -> int | str:
        """The items that are taken of a task; empty text for all."""
        limit = self.config.benchmarks[suite].limit
        return "" if limit is None else limit

    def suite_version(self, suite: str) -> int:
        """The number of a suite."""
        return self.config.benchmarks[suite].version

    def _task_block(self, task: TaskEntry) -> dict[str, Any]:
        files = {
            split: self.raw(task.source, file) for split, file in task.files.items()
        }
        return task.model_dump(exclude={"source", "runs_code"}) | {"files": files}
