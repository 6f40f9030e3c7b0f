"""Values item by item from the harness's results, on hand-made ones."""

from typing import Any

import pytest

from safegrid.capability.run import main_metric, suite_results


def sample(doc: int, filtered: str = "none", **metrics: Any) -> dict[str, Any]:
    return {
        "doc_id": doc,
        "filter": filtered,
        "metrics": list(metrics),
        "arguments": [(f"context {doc}", " a"), (f"context {doc}", " b")],
        **metrics,
    }


def results(samples: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    return {
        "samples": {"task": samples},
        "versions": {"task": 1.0},
        "n-shot": {"task": 0},
        "results": {"task": {"alias": "task", "sample_len": len(samples), **values}},
        "groups": {"all": {"alias": "all", "acc,none": 0.5, "acc_stderr,none": "N/A"}},
    }


def test_items_hold_one_metric_and_tasks_hold_them_all():
    found = suite_results(
        results(
            [sample(0, acc_norm=0.0, acc=1.0), sample(1, acc_norm=1.0, acc=0.0)],
            {"acc,none": 0.5, "acc_stderr,none": "N/A", "acc_norm,none": 0.5},
        ),
        too_long=(),
    )
    assert found["items"]["task"] == [
        {"doc_id": 0, "metric": "acc", "value": 1.0},
        {"doc_id": 1, "metric": "acc", "value": 0.0},
    ]
    counts = {"version": "1.0", "n_shot": 0, "n": 2, "n_too_long": 0}
    values = {"acc": 0.5, "acc_norm": 0.5}
    assert found["tasks"]["task"] == {**counts, "metric": "acc", "values": values}
    assert found["groups"] == {"all": {"acc": 0.5}}


def test_an_item_that_was_not_sent_has_no_value():
    found = suite_results(
        results([sample(0, acc=0.0), sample(1, acc=1.0)], {"acc,none": 0.5}),
        too_long={("context 0", " b")},
    )
    assert [item["value"] for item in found["items"]["task"]] == [None, 1.0]
    assert found["tasks"]["task"]["n_too_long"] == 1


def test_the_first_filter_is_scored_and_each_document_counts_once():
    samples = [
        sample(0, "strict", exact_match=0.0),
        sample(1, "strict", exact_match=1.0),
        sample(0, "flexible", exact_match=1.0),
        sample(1, "flexible", exact_match=1.0),
    ]
    found = suite_results(results(samples, {"exact_match,strict": 0.5}), ())
    assert found["items"]["task"] == [
        {"doc_id": 0, "metric": "exact_match,strict", "value": 0.0},
        {"doc_id": 1, "metric": "exact_match,strict", "value": 1.0},
    ]
    assert found["tasks"]["task"]["n"] == 2


def test_a_metric_without_one_number_a_document_is_not_scored_by():
    assert main_metric([sample(0, parts=[True, False], whole=True)]) == "whole"
    assert main_metric([sample(0, bleu=0.2, exact_match=1.0)]) == "exact_match"
    with pytest.raises(ValueError, match="no metric"):
        main_metric([sample(0, parts=[True])])
