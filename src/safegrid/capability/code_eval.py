"""pass@1 of programs, under the name by which coding tasks load their metric.

They call `evaluate.load("code_eval")` when they are loaded themselves, which fetches
Hugging Face's metric as it is on that day, unless the current folder holds one of that
name (`programs.write_metric`). The numbers are the same: the share of answers that pass
their tests. `evaluate` imports torch, so nothing imports this but such a task.
"""

from typing import Any

import datasets
import evaluate

from safegrid.capability.programs import find_sandbox, passes


class CodeEval(evaluate.Metric):  # type: ignore[misc]
    """Runs each answer with its tests."""

    def __init__(self, **settings: Any) -> None:
        # Else it locks a file in the user's cache, which may be on a network disk.
        super().__init__(**settings | {"keep_in_memory": True})

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="The share of answers that pass their tests.",
            citation="Chen et al. 2021, arXiv 2107.03374",
            inputs_description="One answer to each problem, and the problem's tests.",
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("string")),
                    "references": datasets.Value("string"),
                }
            ),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[str], k: list[int]
    ) -> tuple[dict[str, float], dict[int, list[bool]]]:
        if k != [1] or any(len(answers) != 1 for answers in predictions):
            raise ValueError("one answer to each problem is scored, by pass@1")
        sandbox, _ = find_sandbox()
        found = {
            number: [passes(f"{answers[0]}\n{tests}", sandbox)]
            for number, (answers, tests) in enumerate(
                zip(predictions, references, strict=True)
            )
        }
        passed = sum(all(hits) for hits in found.values())
        return {"pass@1": passed / len(found)}, found
