"""The kinds of judges, and which keys of a judge's block each of them has."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # safegrid.config.judge imports this module while it is being loaded
    from safegrid.config.judge import JudgeSpec

JudgeKind = Literal[
    "guard",
    "toxicity",
    "refusal",
    "fluency",
    "reward",
    "harmfulness",
    "entailment",
    "reference",
    "correction",
]
# Kinds whose model gives one number, and what a text for it has places for.
SCORERS = ("reward", "harmfulness")
PLACES = ("prompt", "response")
# What a question of kind `correction` has places for.
ASKED = ("{prompt}", "{prefill}", "{response}")
# The kinds whose score says how good an answer is.
HIGHER_IS_BETTER = ("reward", "entailment", "reference")
# The class against which entailment is weighed.
CONTRADICTION = "contradiction"
# The kinds that rules of this package judge.
BY_RULES = ("refusal", "reference")
# The kinds whose verdicts may come from elsewhere.
BY_FILE = ("guard", "reward", "harmfulness", "toxicity", "refusal")
# Those of them that say one of several classes.
OF_CLASSES = ("toxicity", "refusal")
Compare = Literal["exact_choice", "contains", "bleu", "rouge_l", "bertscore"]


def check_keys(judge: "JudgeSpec") -> Iterator[str]:
    """Yield what does not fit together in a judge's block, one sentence each."""
    yield from _of_endpoint(judge)
    yield from _of_wording(judge)
    yield from _of_fluency(judge)
    yield from _of_method(judge)
    yield from _of_text_head(judge)
    yield from _of_labels(judge)
    yield from _of_compare(judge)
    yield from _of_texts(judge)
    yield from _of_places(judge)
    yield from _of_entailment(judge)
    yield from _of_bertscore(judge)


def _of_endpoint(judge: "JudgeSpec") -> Iterator[str]:
    if (judge.endpoint is None) != (judge.method != "endpoint"):
        yield "`endpoint` belongs to `method: endpoint`, and it needs one"
    if judge.method == "endpoint" and judge.kind != "correction":
        yield f"method 'endpoint' is for kind 'correction', not {judge.kind!r}"


def _of_wording(judge: "JudgeSpec") -> Iterator[str]:
    if judge.wording is None:
        return
    if judge.kind != "correction":
        yield f"`wording` is for kind 'correction', not {judge.kind!r}"
    if missing := [place for place in ASKED if place not in judge.wording]:
        yield f"`wording` lacks {', '.join(missing)}"


def _of_fluency(judge: "JudgeSpec") -> Iterator[str]:
    if judge.opening_words is not None and judge.kind != "fluency":
        yield f"`opening_words` is for kind 'fluency', not {judge.kind!r}: remove it"


def _of_method(judge: "JudgeSpec") -> Iterator[str]:
    if judge.method == "rules" and judge.kind not in BY_RULES:
        yield (
            f"method 'rules' is for kinds {' and '.join(map(repr, BY_RULES))}, not"
            f" {judge.kind!r}: remove it"
        )
    if judge.method == "file" and judge.kind not in BY_FILE:
        yield (
            f"method 'file' is for kinds {', '.join(map(repr, BY_FILE))}, not"
            f" {judge.kind!r}: remove it"
        )


def _of_text_head(judge: "JudgeSpec") -> Iterator[str]:
    if judge.method != "text_head":
        return
    if judge.kind != "refusal":
        yield f"method 'text_head' is for kind 'refusal', not {judge.kind!r}"
    if judge.positive not in judge.classes or len(judge.classes) < 2:
        yield (
            "method 'text_head' needs `classes`, at least two labels of the rows that"
            " it is trained on, and `positive`, one of them"
        )


def _of_labels(judge: "JudgeSpec") -> Iterator[str]:
    if judge.kind == "guard" and judge.safe == judge.unsafe:
        yield f"`safe` and `unsafe` are the same word {judge.safe!r}"
    named = judge.positive in judge.classes or judge.kind not in OF_CLASSES
    if judge.method == "file" and not named:
        yield (
            f"kind {judge.kind!r} needs `classes`, the labels that its file may"
            " hold, and `positive`, one of them"
        )


def _of_compare(judge: "JudgeSpec") -> Iterator[str]:
    if (judge.compare is None) != (judge.kind != "reference"):
        yield "`compare` belongs to kind 'reference', and it needs one"


def _texts(judge: "JudgeSpec") -> list[str]:
    return [text for text in (judge.text, judge.second) if text is not None]


def _of_texts(judge: "JudgeSpec") -> Iterator[str]:
    if _texts(judge) and judge.kind not in SCORERS:
        yield (
            f"`text` and `second` are for kinds {' and '.join(map(repr, SCORERS))},"
            f" not {judge.kind!r}: remove them"
        )
    if judge.second is not None and judge.text is None:
        yield "`second` needs `text`, the first of the two texts"


def _of_places(judge: "JudgeSpec") -> Iterator[str]:
    texts = _texts(judge)
    places = re.findall(r"\{(\w+)\}", " ".join(texts))
    if odd := sorted(set(places) - set(PLACES)):
        yield (
            f"a text has the places {{prompt}} and {{response}}, not"
            f" {', '.join(f'{{{name}}}' for name in odd)}"
        )
    if texts and "response" not in places:
        yield (
            "the texts lack {response}, the place of the answer: the judge would"
            " never see what it judges"
        )


def _of_entailment(judge: "JudgeSpec") -> Iterator[str]:
    if judge.kind == "entailment" and not (
        {judge.positive, CONTRADICTION} <= set(judge.classes)
        and judge.positive not in ("", CONTRADICTION)
    ):
        yield (
            "kind 'entailment' needs its model's `classes`, one of them"
            f" {CONTRADICTION!r}, and `positive`, the class that says entailment"
        )


def _of_bertscore(judge: "JudgeSpec") -> Iterator[str]:
    bertscore = judge.compare == "bertscore"
    right, wrong = ("model", "rules") if bertscore else ("rules", "model")
    if judge.compare is not None and judge.method == wrong:
        yield (
            f"compare {judge.compare!r} is done by method {right!r}, or read from a"
            " file"
        )
    needed = bertscore and judge.method == "model"
    if needed != (judge.layers is not None) or (judge.baseline and not needed):
        yield (
            "`layers` belongs to compare 'bertscore' with a model, which needs it;"
            " `baseline` may stand beside it"
        )
