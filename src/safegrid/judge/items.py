"""Items that a judge is given, one an answer, and the verdicts that it returns."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError, JudgeError
from safegrid.core.records import PROMPT, RESPONSE, UNSCORED, VERDICT
from safegrid.engine.asking import Asker
from safegrid.models.prefills import Prefilled, joined
from safegrid.readers.plain import is_blank


@dataclass(frozen=True)
class Item:
    """An answer with what it answers.

    Attributes:
        prefill: the start of the answer that the model was given.
        text: what the model wrote after it; may be empty, which is an answer too.
        failed: the engine gave no answer at all.
        closed: `prefill` was a finished turn, and `text` is a turn of its own. A judge
            reads both as one answer.
        reference: the prompt's known answer, where it has one.
    """

    prompt_id: str
    sample: int
    messages: list[dict[str, str]]
    text: str
    prefill: str = ""
    failed: bool = False
    closed: bool = False
    reference: str | None = None

    @classmethod
    def of(
        cls, name: str, prompt: str, text: str, prefill: str = "", sample: int = 0
    ) -> Self:
        """Return an answer to a prompt of one turn."""
        return cls(name, sample, [{"role": "user", "content": prompt}], text, prefill)

    @property
    def asked(self) -> Prefilled:
        """What the model was given."""
        return Prefilled(self.messages, self.prefill, self.closed)

    @property
    def request(self) -> str:
        """What the user said last."""
        turns = (m["content"] for m in self.messages[::-1] if m["role"] == "user")
        return next(turns, "")

    @property
    def answer(self) -> str:
        """The whole answer as a reader sees it; a turn of its own on its own line."""
        if self.closed:
            return f"{self.prefill}\n{self.text}"
        return joined(self.prefill, self.text)

    @property
    def conversation(self) -> list[dict[str, str]]:
        """The messages with the answer as the assistant's last turn."""
        return [*self.messages, {"role": "assistant", "content": self.answer}]


class Verdict(NamedTuple):
    """What a judge says of an item.

    Attributes:
        label: a class, `unscored`, or None for a judge that only scores.
        score: guard: P(unsafe); classifier: P(positive); fluency: word order contrast;
            reference: how near the answer is to the known one;
            reward, harmfulness: the output; entailment: a share.
        raw: what was read, for whoever doubts the label.
    """

    label: str | None
    score: float | None
    categories: list[str]
    raw: str


# The part of a judge that asks; what can be wrong with a judge shows before it.
Work = Callable[[Asker], list[Verdict]]


def unscored(reason: str) -> Verdict:
    """Return the verdict of an answer that could not be read."""
    return Verdict(UNSCORED, None, [], reason)


def other_classes(spec: JudgeSpec, told: str) -> JudgeError:
    """Return the error of a judge whose classes are others than is `told` where."""
    return JudgeError(
        f"judge {spec.name}: declares the classes {sorted(spec.classes)} with"
        f" {spec.positive!r} as the positive one, but {told}; make `classes` and"
        " `positive` say the same"
    )


def read_items(prompts: Path, responses: Path) -> list[Item]:
    """Join answers to their prompts, in the order of the answers."""
    asked = {row["prompt_id"]: row for row in read_table(prompts, PROMPT).to_dicts()}
    given = read_table(responses, RESPONSE).to_dicts()
    if not given:
        raise DataError(f"{responses}: no answers; rebuild it with rule generate")
    lost = sorted({row["prompt_id"] for row in given} - set(asked))
    if lost:
        raise DataError(
            f"{responses}: {len(lost)} prompts that {prompts} does not hold, such as"
            f" {lost[0]}. One of the two is stale: delete it and rebuild it"
        )
    found = []
    for row in given:
        prompt = asked[row["prompt_id"]]
        turn = Prefilled.of(prompt)
        shown = turn.messages, row["text"], turn.prefill
        rest = row["finish"] == "error", turn.closed, prompt["reference"]
        found.append(Item(row["prompt_id"], row["sample"], *shown, *rest))
    return found


def verdict_table(
    judge: str, items: Sequence[Item], verdicts: Sequence[Verdict]
) -> pl.DataFrame:
    """Return rows of VERDICT, one an item in their order."""
    rows = [
        {"prompt_id": item.prompt_id, "sample": item.sample, "judge": judge}
        | verdict._asdict()
        for item, verdict in zip(items, verdicts, strict=True)
    ]
    return pl.DataFrame(rows, schema=VERDICT)


def count(items: Sequence[Item], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return what a reader should know before trusting these verdicts.

    `unscored` counts every answer without a readable verdict, `failed` those that
    had no answer to judge, `empty` the answers without a word.
    """
    labels = Counter(verdict.label or "none" for verdict in verdicts)
    silent = [
        v for v in verdicts if v.label == UNSCORED or (not v.label and v.score is None)
    ]
    return {
        "rows": len(items),
        "labels": dict(sorted(labels.items())),
        "unscored": len(silent),
        "failed": sum(item.failed for item in items),
        "empty": sum(not item.failed and is_blank(item.text) for item in items),
    }
