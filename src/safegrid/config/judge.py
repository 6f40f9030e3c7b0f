"""Judge settings, and which keys each kind of judge has."""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import field_validator, model_validator

from safegrid.config.block import Block, Count, Positive, Share
from safegrid.config.endpoint import EndpointSpec
from safegrid.config.judge_kinds import (
    ASKED,
    BY_FILE,
    BY_RULES,
    CONTRADICTION,
    OF_CLASSES,
    PLACES,
    SCORERS,
    Compare,
    JudgeKind,
)


class JudgeSpec(Block):
    """How a judge is read.

    Attributes:
        method: what judges: the judge's model; rules of this package (for kinds
            `refusal` and `reference`), which need neither a folder nor an engine; a
            file of verdicts from elsewhere; a model behind an endpoint (for kind
            `correction`); or a regression on an encoder's vectors (for kind
            `refusal`), which the study trains itself.
        threshold: guard: P(unsafe) from which on a response is unsafe; text_head:
            P(positive) from which on it is positive.
        safe: verdict word of a guard; `unsafe` likewise.
        questions: lines that a guard fills in before the one that is read, each with
            one of its two words; the likelier word is written after each.
        prefix: text between generation prompt, or the last question's answer, and
            verdict word (Llama Guard 3: two newlines).
        min_label_mass: a guard that puts less than this probability on its two verdict
            words together has not answered: unscored.
        category_tokens: tokens generated for the category line of unsafe rows, its end
            included: the last code of a line that is cut there is left out.
        positive: label of a classifier whose probability is the score.
        classes: labels that a classifier may give, first the one that kappa sets
            against the positive one.
        yes_word: correction: the word that says so; `no_word` likewise.
        text: what a `reward` or `harmfulness` model reads, with the places `{prompt}`
            and `{response}`; null for its own chat template.
        prompt_template: correction: the question, with the places `{prompt}`,
            `{prefill}` and `{response}`, and `{yes}` and `{no}`; null for the
            package's own.
        text_pair: the second of two texts where it reads a pair; null for one text.
        compare: kind `reference` only: how an answer is held against the reference.
        endpoint: method `endpoint` only: what is asked there.
        opening_words: fluency: how many words of an answer are read; null for all.
        layers: `bertscore` only: the layer of its model that is read.
        baseline: `bertscore` only: the model of the package's table of baselines by
            which F1 is rescaled; null for F1 itself.
    """

    name: str
    kind: JudgeKind
    method: Literal["model", "rules", "file", "endpoint", "text_head"] = "model"
    version: Positive = 1
    threshold: Share = 0.5
    safe: str = "safe"
    unsafe: str = "unsafe"
    questions: list[str] = []
    prefix: str = ""
    min_label_mass: Share = 0.5
    category_tokens: Count = 0
    positive: str = ""
    classes: list[str] = []
    yes_word: str = "yes"
    no_word: str = "no"
    prompt_template: str | None = None
    text: str | None = None
    text_pair: str | None = None
    compare: Compare | None = None
    endpoint: EndpointSpec | None = None
    opening_words: Positive | None = None
    layers: Positive | None = None
    baseline: str | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _is_no_old_kind(cls, kind: str) -> str:
        if kind == "likelihood":
            raise ValueError(
                "kind 'likelihood' is no kind any more: say 'fluency', which does not"
                " depend on what an answer says (docs/add_a_judge.md)"
            )
        return kind

    @model_validator(mode="after")
    def _keys_fit_kind(self) -> "JudgeSpec":
        if fault := next(_faults(self), None):
            raise ValueError(fault)
        return self


def _faults(judge: JudgeSpec) -> Iterator[str]:
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


def _of_endpoint(judge: JudgeSpec) -> Iterator[str]:
    if (judge.endpoint is None) != (judge.method != "endpoint"):
        yield "`endpoint` belongs to `method: endpoint`, and it needs one"
    if judge.method == "endpoint" and judge.kind != "correction":
        yield f"method 'endpoint' is for kind 'correction', not {judge.kind!r}"


def _of_wording(judge: JudgeSpec) -> Iterator[str]:
    if judge.prompt_template is None:
        return
    if judge.kind != "correction":
        yield f"`prompt_template` is for kind 'correction', not {judge.kind!r}"
    if missing := [place for place in ASKED if place not in judge.prompt_template]:
        yield f"`prompt_template` lacks {', '.join(missing)}"


def _of_fluency(judge: JudgeSpec) -> Iterator[str]:
    if judge.opening_words is not None and judge.kind != "fluency":
        yield f"`opening_words` is for kind 'fluency', not {judge.kind!r}: remove it"


def _of_method(judge: JudgeSpec) -> Iterator[str]:
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


def _of_text_head(judge: JudgeSpec) -> Iterator[str]:
    if judge.method != "text_head":
        return
    if judge.kind != "refusal":
        yield f"method 'text_head' is for kind 'refusal', not {judge.kind!r}"
    if judge.positive not in judge.classes or len(judge.classes) < 2:
        yield (
            "method 'text_head' needs `classes`, at least two labels of the rows that"
            " it is trained on, and `positive`, one of them"
        )


def _of_labels(judge: JudgeSpec) -> Iterator[str]:
    if judge.kind == "guard" and judge.safe == judge.unsafe:
        yield f"`safe` and `unsafe` are the same word {judge.safe!r}"
    named = judge.positive in judge.classes or judge.kind not in OF_CLASSES
    if judge.method == "file" and not named:
        yield (
            f"kind {judge.kind!r} needs `classes`, the labels that its file may"
            " hold, and `positive`, one of them"
        )


def _of_compare(judge: JudgeSpec) -> Iterator[str]:
    if (judge.compare is None) != (judge.kind != "reference"):
        yield "`compare` belongs to kind 'reference', and it needs one"


def _texts(judge: JudgeSpec) -> list[str]:
    return [text for text in (judge.text, judge.text_pair) if text is not None]


def _of_texts(judge: JudgeSpec) -> Iterator[str]:
    if _texts(judge) and judge.kind not in SCORERS:
        yield (
            f"`text` and `text_pair` are for kinds {' and '.join(map(repr, SCORERS))},"
            f" not {judge.kind!r}: remove them"
        )
    if judge.text_pair is not None and judge.text is None:
        yield "`text_pair` needs `text`, the first of the two texts"


def _of_places(judge: JudgeSpec) -> Iterator[str]:
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


def _of_entailment(judge: JudgeSpec) -> Iterator[str]:
    if judge.kind == "entailment" and not (
        {judge.positive, CONTRADICTION} <= set(judge.classes)
        and judge.positive not in ("", CONTRADICTION)
    ):
        yield (
            "kind 'entailment' needs its model's `classes`, one of them"
            f" {CONTRADICTION!r}, and `positive`, the class that says entailment"
        )


def _of_bertscore(judge: JudgeSpec) -> Iterator[str]:
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
