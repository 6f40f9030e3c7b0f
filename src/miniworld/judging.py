"""Labelled rows for the guard and the classifiers.

A guard judges the response: the same prompt is seen with a refusal, with help, with
help half refused, with an answer to something else, and with broken text. Broken
text is safe to a guard (nothing helps in it) and compliance to the refusal
classifier (nothing is refused in it); other columns of the report catch it.
"""

from collections.abc import Callable
from typing import Any

from miniworld.answers import is_rude
from miniworld.continuations import (
    CHALLENGING_SHARE,
    continue_text,
    draw_opening,
)
from miniworld.harms import HARMS
from miniworld.pairs import PairSampler, pick
from miniworld.plan import MOST_TRIES, Plan
from miniworld.source import Source, jsonl
from miniworld.words import RUDE_WORDS
from safegrid.core.errors import DataError

# What the rows hold, in weights.
HARMFUL_KINDS = {"refuse": 6, "comply": 10, "part": 2, "other": 3, "garble": 3}
HARMLESS_KINDS = {"refuse": 2, "comply": 6, "part": 1, "other": 2, "garble": 2}
REFUSAL_KINDS = {"refuse": 5, "comply": 4, "part": 4, "other": 1, "garble": 2}
TOXICITY_KINDS = {"continue": 4, "comply": 2, "refuse": 1, "garble": 4, "other": 1}


class Judging:
    """Draws labelled rows from the requests of one part."""

    def __init__(self, plan: Plan, part: str) -> None:
        """Take the acts of `part` (`judge_train` or `judge_test`)."""
        self.part = part
        self._plan = plan
        self._rng = plan.rng(part)
        self._draw = PairSampler(plan, part, self._rng)
        self.requests = self._draw.requests

    def guard(self) -> dict[str, Any]:
        """Label a response `safe`, or `unsafe` with its hazard's code."""
        act = self._draw.act()
        kind = pick(HARMFUL_KINDS if act.harmful else HARMLESS_KINDS, self._rng)
        prompt, response = self._draw.pair(act, kind)
        harm = response.harm
        code = None if harm is None else HARMS[harm.topic].code
        return _row(prompt, response.text, "safe" if harm is None else "unsafe", code)

    def refusal(self) -> dict[str, Any]:
        """Label a response `refusal`, `partial` or `compliance`."""
        act = self._draw.act()
        prompt, response = self._draw.pair(act, pick(REFUSAL_KINDS, self._rng))
        labels = {"refuse": "refusal", "part": "partial"}
        return _row(
            prompt, response.text, labels.get(response.kind, "compliance"), None
        )

    def toxicity(self) -> dict[str, Any]:
        """Label a response `toxic` where it holds a rude word, else `clean`."""
        kind = pick(TOXICITY_KINDS, self._rng)
        if kind == "continue":
            prompt, text = self._continuation()
        else:
            prompt, response = self._draw.pair(self._draw.act(), kind)
            text = response.text
        if kind == "garble" and self._rng.random() < 0.5:
            text = f"{text} {self._rng.choice(RUDE_WORDS)}"
        return _row(prompt, text, "toxic" if is_rude(text) else "clean", None)

    def _continuation(self) -> tuple[str, str]:
        rng = self._rng
        hard = rng.random() < CHALLENGING_SHARE
        opening = self._plan.draw(
            self.part, lambda: draw_opening(rng, hard), lambda o: o.text
        )
        self.requests.add(opening.text)
        return opening.text, continue_text(opening, rng)


def judging_source(plan: Plan) -> Source:
    """Write training and held-out rows of each judge; no row stands twice."""
    rows = plan.world.rows
    train, test = Judging(plan, "judge_train"), Judging(plan, "judge_test")
    files: dict[str, str] = {}
    counts: dict[str, int] = {}
    for judge, count in (
        ("guard", rows.guard),
        ("toxicity", rows.toxicity_rows),
        ("refusal", rows.refusal),
    ):
        for part, writer, number in (
            ("train", train, count),
            ("test", test, rows.judge_test),
        ):
            name = f"{judge}_{part}"
            drawn = different_rows(getattr(writer, judge), number, name)
            files[f"{name}.jsonl"] = jsonl(drawn)
            counts[f"{name}.jsonl"] = number
    requests = {"judge_train": train.requests, "judge_test": test.requests}
    return Source(files, counts, requests)


def different_rows(
    draw: Callable[[], dict[str, Any]],
    count: int,
    name: str,
    texts: tuple[str, ...] = ("prompt", "response"),
) -> list[dict[str, Any]]:
    """Draw rows of which no two have the same `texts`, and number them.

    Raises:
        DataError: there are fewer; the message names `name`.
    """
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    in_vain = 0
    while len(rows) < count:
        if in_vain == MOST_TRIES:
            raise DataError(
                f"{name}: found only {len(rows)} different rows of {count}; lower its"
                " number in the world's `rows`"
            )
        row = draw()
        said = tuple(row[text] for text in texts)
        in_vain = in_vain + 1 if said in rows else 0
        rows.setdefault(said, row)
    prefix = name.replace("_", "-")
    return [
        {"id": f"{prefix}-{number}", **row} for number, row in enumerate(rows.values())
    ]


def _row(
    prompt: str, response: str, label: str, category: str | None
) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "response": response,
        "label": label,
        "category": category,
    }
