"""Run a suite of lm-evaluation-harness tasks on one model, through its engine.

Takes a model and a suite's tasks; gives JSON with the harness's own numbers and every
item's value under its task's `main_metric`, which a score uses. All tasks of a suite
run in one process: starting the harness costs more than a small model's answers.
"""

import functools
import logging
from collections.abc import Collection, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from lm_eval.evaluator import evaluate
from lm_eval.utils import env

from safegrid.capability.client import EngineModel, RequestKey, request_key
from safegrid.capability.programs import recorded
from safegrid.capability.shipped import located
from safegrid.capability.tasks import loaded_tasks, rows_left_out
from safegrid.config import EngineSpec
from safegrid.core.artifacts import manifest, write_result
from safegrid.engine.lease import lease
from safegrid.models.checkpoints import weights_hash
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.usage import Record, keep

log = logging.getLogger(__name__)

# The harness compiles a task's templates anew for every document.
env.from_string = functools.cache(env.from_string)

# Accuracy of the choice or of the answer comes before its variants; a task with
# neither is scored by the first metric that it lists.
PREFERRED = ("acc", "exact_match")
UNFILTERED = "none"
TOO_LONG = "%s: %d of %d documents of %s do not fit the model's context: no value"


def capability(
    suite: str,
    tasks: list[str],
    blocks: dict[str, dict[str, Any]],
    task_files: list[Path],
    limit: int | None,
    stack: list[Path],
    engine: EngineSpec,
    out: Path,
) -> None:
    """Write the results of a suite, each conversation in the model's chat template.

    Args:
        suite: name of the benchmark in the study.
        tasks: names of tasks, groups or tags: the study's own or shipped ones.
        blocks: for tasks of the registry what `loaded_tasks` needs to know of them.
        task_files: YAML and rows of the study's own tasks, rows of the registry's.
        limit: documents of each task, null for all.
        stack: folders that make the model; the tokenizer is the first one's.
        engine: which engine answers.
        out: JSON with `tasks`, `groups` and `items` (see `suite_results`), the
            harness's version and `templated`.

    Raises:
        ConfigError: a task is not known, or would run a model's code without consent.
        EngineError: the engine fails.
    """
    tokenizer = ChatTokenizer.load(stack[0])
    with (
        loaded_tasks(tasks, task_files, located(blocks, task_files)) as loaded,
        lease(engine, stack, "causal") as client,
    ):
        model = EngineModel(client, tokenizer, engine.batch_size)
        left_out = rows_left_out(loaded)
        results = _evaluate(model, loaded, limit)
    found = suite_results(results, model.too_long)
    for name, task in found["tasks"].items():
        if task["n_too_long"]:
            log.warning(TOO_LONG, suite, task["n_too_long"], task["n"], name)
    identity = client.identity._asdict()
    facts = manifest(
        "capability",
        {"task_files": task_files},
        {
            "suite": suite,
            "tasks": tasks,
            "blocks": blocks,
            "limit": limit,
            "weights": weights_hash(stack),
            "template": tokenizer.template_hash,
        },
        ("lm_eval", "datasets"),
        engine=identity,
        rows=sum(task["n"] for task in found["tasks"].values()),
        dropped=left_out,
        **recorded(loaded["tasks"]),
    )
    usage = client.usage.take()  # of all of it: the harness asks anew in every run
    keep(out, Record(facts["rows"], 0, 0, identity, str(stack[0]), usage))
    write_result(out, {"manifest": facts, "suite": suite, "templated": True, **found})


def _evaluate(model: EngineModel, loaded: Any, limit: int | None) -> Any:
    """Run the harness as its `simple_evaluate` does, short of what needs torch."""
    return evaluate(
        model,
        loaded,
        limit=limit,
        bootstrap_iters=0,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        # The user was asked when the tasks were loaded.
        confirm_run_unsafe_code=True,
    )


def suite_results(
    results: dict[str, Any], too_long: Collection[RequestKey]
) -> dict[str, dict[str, Any]]:
    """Return `tasks`, `groups` and `items` of what the harness's `evaluate` returns.

    tasks: for each task `version`, `n_shot`, `n`, `n_too_long`, the `metric` of its
        items, and `values`, the harness's own value of every metric (items that were
        not sent count as wrong there).
    groups: the harness's own values of groups of tasks.
    items: for each task one entry a document with `doc_id`, `metric` and `value`, null
        where its request is among the `too_long`.
    """
    tasks, items = {}, {}
    for name, samples in results["samples"].items():
        metric = main_metric(samples)
        items[name] = _items(samples, metric, too_long)
        tasks[name] = {
            "version": str(results["versions"][name]),
            "n_shot": results["n-shot"][name],
            "n": len(items[name]),
            "n_too_long": sum(item["value"] is None for item in items[name]),
            "metric": metric,
            "values": _values(results["results"][name]),
        }
    groups = {name: _values(row) for name, row in results.get("groups", {}).items()}
    return {"tasks": tasks, "groups": groups, "items": items}


def main_metric(samples: Sequence[dict[str, Any]]) -> str:
    """Return the metric that a task is scored by: `acc`, `exact_match`, or its first.

    A metric under a filter is named `metric,filter`; the filter that the task lists
    first goes before the others.
    """
    single = [
        (metric, sample["filter"])
        for sample in samples
        for metric in sample["metrics"]
        if isinstance(sample[metric], Real)
    ]
    if not single:
        raise ValueError("no metric of the task has a number for each document")
    for wanted in PREFERRED:
        for metric, filtered in single:
            if metric == wanted:
                return _name(metric, filtered)
    return _name(*single[0])


def _items(
    samples: Sequence[dict[str, Any]], metric: str, too_long: Collection[RequestKey]
) -> list[dict[str, Any]]:
    items = []
    for sample in samples:
        for plain in sample["metrics"]:
            if _name(plain, sample["filter"]) == metric:
                keys = map(request_key, sample["arguments"])
                value = None if set(keys) & set(too_long) else float(sample[plain])
                item = {"doc_id": sample["doc_id"], "metric": metric, "value": value}
                items.append(item)
    return items


def _values(row: dict[str, Any]) -> dict[str, float]:
    """Keep the metrics of a row that holds names, counts and standard errors too."""
    return {
        _name(*key.split(",", 1)): float(value)
        for key, value in row.items()
        if "," in key and "_stderr," not in key and isinstance(value, Real)
    }


def _name(metric: str, filtered: str) -> str:
    return metric if filtered == UNFILTERED else f"{metric},{filtered}"
