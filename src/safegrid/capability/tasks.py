"""Finding a suite's tasks: in the study's own files, the registry, then the shipped.

Indexing the thousands of tasks that lm-evaluation-harness ships costs seven CPU
seconds, so it is done only for a name that the study's own files do not hold.
"""

import contextlib
import glob
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import datasets
import numpy as np
from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED
from lm_eval.tasks import TaskManager

from safegrid.capability.programs import check_consent, coding, write_metric
from safegrid.capability.shipped import write_tasks
from safegrid.core.errors import ConfigError
from safegrid.core.seals import check_fetched
from safegrid.readers.formats import READERS
from safegrid.readers.problems import FileProblems, describe
from safegrid.readers.raw import read_rows

LocalTasks = dict[str, tuple[TaskManager, Path]]
"""Tasks, groups and tags of the study's own files, and the folders they lie in."""


@contextlib.contextmanager
def loaded_tasks(
    names: Sequence[str],
    files: Sequence[Path],
    blocks: Mapping[str, dict[str, Any]] | None = None,
) -> Iterator[Any]:
    """Load tasks, groups or tags for the time of a run, as the harness holds them.

    Rows of the study's own tasks are converted into a folder that is deleted at the
    end: a cache keyed by path and time can be stale, and breaks on network disks.

    Args:
        names: what is loaded.
        files: the study's task files; a YAML's `data_files` are read beside it.
        blocks: the registry's tasks by name, as `safegrid.config.benchmark.TaskEntry`
            with a path for each split in `files`.

    Raises:
        ConfigError: nobody knows a name, or a task would run a model's code and the
            user has not allowed it.
        DataError: a file is not as it was fetched, or the study's own rows are none,
            or not readable.
    """
    blocks = blocks or {}
    registered = {Path(p) for block in blocks.values() for p in block["files"].values()}
    for path in files:
        check_fetched(path)
    for path in set(files) - registered:
        _check_rows(path)
    with TemporaryDirectory(prefix="safegrid-tasks-") as folder:
        written = write_tasks(blocks, Path(folder))
        write_metric(Path(folder))
        local = _local([*files, *written])
        # Choices may be shuffled while rows are read.
        random.seed(DEFAULT_RANDOM_SEED)
        np.random.seed(DEFAULT_OTHER_SEED)
        yield _load(names, local, Path(folder))


def _load(names: Sequence[str], local: LocalTasks, cache: Path) -> Any:
    shipped = TaskManager() if any(name not in local for name in names) else None
    _check(names, local, shipped)
    found: dict[str, dict[str, Any]] = {"tasks": {}, "groups": {}, "group_map": {}}
    run_code = {}
    for name in names:
        if name in local:
            manager, folder = local[name]
            with _reading_from(folder, cache):
                loaded = manager.load([name])
        else:
            assert shipped is not None, "names that are not local were checked"
            # Where the metric lies that a coding task would else fetch.
            with contextlib.chdir(cache):
                loaded = shipped.load([name])
        for part, members in found.items():
            members |= loaded.get(part, {})
        run_code[name] = coding(loaded.get("tasks", {}))
    check_consent(run_code)
    # The defaults that `simple_evaluate` would give each task.
    for task in found["tasks"].values():
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)
    return found


def _local(files: Sequence[Path]) -> LocalTasks:
    declared = {path.resolve() for path in files if path.suffix in (".yaml", ".yml")}
    folders = {path.parent for path in declared}
    # A folder's index holds its subfolders.
    tops = [top for top in folders if not folders & set(top.parents)]
    if not tops:
        return {}
    manager = TaskManager(include_path=sorted(tops), include_defaults=False)
    return {
        name: (manager, path.parent)
        for name, entry in manager.task_index.items()
        if (path := Path(entry.yaml_path or min(declared)).resolve()) in declared
    }


def _check_rows(path: Path) -> None:
    """Refuse broken rows with their lines; the harness's reader names no line."""
    if path.suffix not in READERS:
        return
    problems = FileProblems(path)
    fields: set[str] = set()
    for line, values in read_rows(path, problems):
        fields = fields or set(values)
        if set(values) != fields:
            odd = ", ".join(describe(name) for name in sorted(fields ^ set(values)))
            problems.add(line, f"fields differ from those of the first row: {odd}")
    problems.raise_any()


def _check(
    names: Sequence[str], local: LocalTasks, shipped: TaskManager | None
) -> None:
    known = [*local, *(shipped.all_tasks if shipped is not None else [])]
    problems = []
    for name in filter(lambda name: name not in known, names):
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        problems.append(f"  {name!r}{hint}")
    if problems:
        raise ConfigError(
            "tasks that are neither in the suite's task files"
            f" ({', '.join(sorted(local)) or 'none'}) nor shipped with"
            " lm-evaluation-harness:\n" + "\n".join(problems)
        )


@contextlib.contextmanager
def _reading_from(folder: Path, cache: Path) -> Iterator[None]:
    """Resolve a task's relative data files beside it, and cache rows in `cache`."""
    usual = datasets.config.HF_DATASETS_CACHE
    resolve = datasets.data_files.resolve_pattern

    def resolve_below(pattern: str, base_path: str, **settings: Any) -> list[str]:
        # A data file may be a pattern; its folder is taken literally.
        found = resolve(pattern, base_path=glob.escape(base_path), **settings)
        return [_plain(path, cache) for path in found]

    rank = os.environ.get("LOCAL_RANK")
    # IFEval's module downloads a file of nltk when it is imported as rank 0.
    os.environ["LOCAL_RANK"] = rank or "1"
    datasets.config.HF_DATASETS_CACHE = cache
    datasets.data_files.resolve_pattern = resolve_below
    datasets.disable_progress_bars()
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        if rank is None:
            del os.environ["LOCAL_RANK"]
        datasets.config.HF_DATASETS_CACHE = usual
        datasets.data_files.resolve_pattern = resolve
        datasets.enable_progress_bars()


def _plain(path: str, folder: Path) -> str:
    """Return a name for a data file in which `datasets` finds no `$VARIABLE`."""
    if not os.path.isabs(path):
        return path
    link = Path(mkdtemp(dir=folder), Path(path).name)
    link.symlink_to(path)
    return str(link)


def rows_left_out(loaded: dict[str, Any]) -> dict[str, int]:
    """Return how many rows of each task its `process_docs` left out, where any."""
    counts = {}
    for name, task in loaded["tasks"].items():
        if task.config.process_docs is not None:
            # As the harness asks: its test, or its validation.
            split = task.config.test_split or task.config.validation_split
            counts[name] = len(task.dataset[split]) - len(task.eval_docs)
    return {name: count for name, count in counts.items() if count > 0}
