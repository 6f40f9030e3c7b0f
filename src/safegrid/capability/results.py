"""From lm-evaluation-harness's results to what a score needs: values item by item.

A suite's score uses one metric of each task, `main_metric`; the file holds them all.
"""

from collections.abc import Collection, Sequence
from numbers import Real
from typing import Any

# Accuracy of the choice or of the answer comes before its variants; a task with
# neither is scored by the first metric that it lists.
PREFERRED = ("acc", "exact_match")
UNFILTERED = "none"
RequestKey = tuple[str, str]


def request_key(arguments: Sequence[Any]) -> RequestKey:
    """Name a request by its context and by its continuation or settings."""
    return str(arguments[0]), str(arguments[1])


def suite_results(
    results: dict[str, Any], too_long: Collection[RequestKey]
) -> dict[str, dict[str, Any]]:
    """Return `tasks`, `groups` and `items` of a run.

    Args:
        results: what lm-evaluation-harness's `evaluate` returns, samples included.
        too_long: contexts whose requests were not sent; their items have no value.

    Returns:
        tasks: for each task `version`, `n_shot`, `n`, `n_too_long`, the `metric` of
            its items, and `values`, the harness's own value of every metric (items
            that were not sent count as wrong there).
        groups: the harness's own values of groups of tasks.
        items: for each task one entry a document with `doc_id`, `metric` and `value`,
            null where it was not sent.
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
    return [
        {
            "doc_id": sample["doc_id"],
            "metric": metric,
            "value": None if _not_sent(sample, too_long) else float(sample[plain]),
        }
        for sample in samples
        for plain in sample["metrics"]
        if _name(plain, sample["filter"]) == metric
    ]


def _not_sent(sample: dict[str, Any], too_long: Collection[RequestKey]) -> bool:
    return any(request_key(arguments) in too_long for arguments in sample["arguments"])


def _values(row: dict[str, Any]) -> dict[str, float]:
    """Keep the metrics of a row that holds names, counts and standard errors too."""
    return {
        _name(*key.split(",", 1)): float(value)
        for key, value in row.items()
        if "," in key and "_stderr," not in key and isinstance(value, Real)
    }


def _name(metric: str, filtered: str) -> str:
    return metric if filtered == UNFILTERED else f"{metric},{filtered}"
