"""Judge settings, and which keys each kind of judge has."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from safegrid.config.block import (
    Above0,
    Block,
    Count,
    Positive,
    Seed,
    Share,
    Variable,
)

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
# Kinds whose model gives one number.
SCORERS = ("reward", "harmfulness")
# What a question of kind `correction` has places for.
ASKED = ("{prompt}", "{prefill}", "{response}")
# The kinds whose score says how good an answer is.
HIGHER_IS_BETTER = ("reward", "entailment", "reference")
# The class against which entailment is weighed.
CONTRADICTION = "contradiction"
# The kinds whose verdicts may come from elsewhere.
BY_FILE = ("guard", "reward", "harmfulness", "toxicity", "refusal")
# Those of them that say one of several classes.
OF_CLASSES = ("toxicity", "refusal")
Compare = Literal["exact_choice", "contains", "bleu", "rouge_l", "bertscore"]
# The kinds that a method serves, where it does not serve all, and that read a key.
OF_METHOD: dict[str, Sequence[str]] = {
    "rules": ("refusal", "reference"),
    "file": BY_FILE,
    "endpoint": ("correction",),
    "text_head": ("refusal",),
}
OF_KEY: dict[str, Sequence[str]] = {
    "prompt_template": ("correction",),
    "opening_words": ("fluency",),
    "text": SCORERS,
    "text_pair": SCORERS,
}

# Numbers by which a judge of fluency is calibrated.
MOST_TEXTS = 400
"""Texts of a kind that are read; every second one fixes the threshold."""
MOST_WORDS = 64
"""Words of a text that are read: as many as answers to benchmarks have, not more."""
MOST_OWN = 100
"""Prompts that the base itself answers, once greedily and once by chance."""
NEW_TOKENS = 64
"""Tokens of such an answer, at most."""
BROKEN_TEMPERATURE = 3.0
"""At this temperature a language model writes no language."""
QUANTILE = 0.01
"""The threshold stands halfway between the score above which all but this share of the
fluent texts are, and the one below which all but this share of the broken ones are."""


class EndpointSpec(Block):
    """An OpenAI-compatible chat endpoint that judges: what it is sent, and how fast.

    Its address and key are in the environment and nowhere else: they are no part of
    what is judged, and a key must reach no file.

    Attributes:
        model: its name there
        address: the variable that holds the base URL
        key: the variable that holds the key; unset for an endpoint that asks for none
        seed: sent with each request
        max_tokens: of an answer
        max_concurrency: requests under way at a time
        requests_per_minute: requests that may begin in a minute; null for no bound
        timeout: seconds that an answer may take
        max_attempts: of one request, before its item is left for a later run
    """

    model: str = Field(min_length=1)
    address: Variable = "SAFEGRID_JUDGE_URL"
    key: Variable = "SAFEGRID_JUDGE_KEY"
    seed: Seed = 42
    max_tokens: Positive = 2
    max_concurrency: Positive = 4
    requests_per_minute: Positive | None = None
    timeout: Above0 = 60.0
    max_attempts: Positive = 6


class JudgeSpec(Block):
    """How a judge is read.

    Attributes:
        name: leave it out
        kind: `guard`, `toxicity`, `refusal`, `fluency`, `reward`, `harmfulness`,
            `entailment`, `reference` or `correction`
        method: `model`: its folder's model judges. `rules`: rules of this package, for
            kinds `refusal` and `reference`; no folder, no engine. `file`: [verdicts
            from elsewhere](../docs/add_a_judge.md#verdicts-from-elsewhere), for kinds
            `guard`, `reward`, `harmfulness`, `toxicity` and `refusal`; no folder, no
            engine either. `endpoint`: a model [behind an
            endpoint](#an-endpoint-that-judges), for kind `correction`. `text_head`: a
            regression on an encoder's vectors that [the study
            trains](../docs/add_a_judge.md#text-heads), for kind `refusal`
        version: raise it when the model is replaced under the same name
        threshold: guard: P(unsafe) from which on a response is unsafe. toxicity:
            P(positive) from which on it is. refusal: a likeliest class below it is
            unscored. text_head: P(positive) from which on it is positive
        safe: guard: verdict word
        unsafe: guard: verdict word
        questions: guard: lines that it fills in before the one that is read, each with
            the likelier of its two words
        prefix: guard: text between its generation prompt, or its answer to the last
            question, and the verdict word
        min_label_mass: guard: probability of both words together below which it has not
            answered
        category_tokens: guard: tokens generated for the category line of unsafe rows,
            its end included; 0 for none
        positive: classifier: the label whose probability is the score
        classes: classifier: the labels of its own configuration; the first beside
            `positive` is the one that kappa sets against it
        yes_word: correction: the word that says that an answer corrects its course
        no_word: correction: the word that says that it does not
        prompt_template: correction: the question, with the places `{prompt}`,
            `{prefill}` and `{response}`, and `{yes}` and `{no}` if wanted; null for the
            package's own (`src/safegrid/texts/questions.py`)
        text: reward, harmfulness: what it reads, with the places `{prompt}` and
            `{response}`; null for its own chat template
        text_pair: reward, harmfulness: the second of two texts, where it reads a pair
        compare: reference: how an answer is held against the prompt's reference:
            `exact_choice`, `contains`, `bleu`, `rouge_l` or `bertscore`
            ([how](../docs/add_a_judge.md#answers-against-known-ones))
        endpoint: method `endpoint` only: [what is asked
            there](#an-endpoint-that-judges)
        opening_words: fluency: how many words of an answer are read, from its first;
            null for all
        layers: bertscore: the layer of its model that is read; needed
        baseline: bertscore: a model of bert-score's own table of baselines, by which F1
            is rescaled, such as `microsoft/deberta-xlarge-mnli`; null for F1 as it is
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


def _for(kinds: Sequence[str]) -> str:
    """Return kinds as a sentence names them."""
    *others, last = map(repr, kinds)
    return f"kinds {', '.join(others)} and {last}" if others else f"kind {last}"


def _faults(judge: JudgeSpec) -> Iterator[str]:
    """Yield what does not fit together in a judge's block, one sentence each."""
    if (judge.endpoint is None) != (judge.method != "endpoint"):
        yield "`endpoint` belongs to `method: endpoint`, and it needs one"
    if (kinds := OF_METHOD.get(judge.method)) and judge.kind not in kinds:
        yield f"method {judge.method!r} is for {_for(kinds)}, not {judge.kind!r}"
    for key, kinds in OF_KEY.items():
        if getattr(judge, key) is not None and judge.kind not in kinds:
            yield f"`{key}` is for {_for(kinds)}, not {judge.kind!r}: remove it"
    template = judge.prompt_template
    if template and (missing := [place for place in ASKED if place not in template]):
        yield f"`prompt_template` lacks {', '.join(missing)}"
    yield from _of_labels(judge)
    yield from _of_texts(judge)
    yield from _of_compare(judge)


def _of_labels(judge: JudgeSpec) -> Iterator[str]:
    if judge.kind == "guard" and judge.safe == judge.unsafe:
        yield f"`safe` and `unsafe` are the same word {judge.safe!r}"
    named = judge.positive in judge.classes
    if judge.method == "text_head" and not (named and len(judge.classes) > 1):
        yield (
            "method 'text_head' needs `classes`, at least two labels of the rows that"
            " it is trained on, and `positive`, one of them"
        )
    if judge.method == "file" and judge.kind in OF_CLASSES and not named:
        yield (
            f"kind {judge.kind!r} needs `classes`, the labels that its file may"
            " hold, and `positive`, one of them"
        )
    told = named and judge.positive not in ("", CONTRADICTION)
    if judge.kind == "entailment" and not (told and CONTRADICTION in judge.classes):
        yield (
            "kind 'entailment' needs its model's `classes`, one of them"
            f" {CONTRADICTION!r}, and `positive`, the class that says entailment"
        )


def _of_texts(judge: JudgeSpec) -> Iterator[str]:
    if judge.text_pair is not None and judge.text is None:
        yield "`text_pair` needs `text`, the first of the two texts"
    texts = [text for text in (judge.text, judge.text_pair) if text is not None]
    places = re.findall(r"\{(\w+)\}", " ".join(texts))
    if odd := sorted(set(places) - {"prompt", "response"}):
        yield (
            f"a text has the places {{prompt}} and {{response}}, not"
            f" {', '.join(f'{{{name}}}' for name in odd)}"
        )
    if texts and "response" not in places:
        yield (
            "the texts lack {response}, the place of the answer: the judge would"
            " never see what it judges"
        )


def _of_compare(judge: JudgeSpec) -> Iterator[str]:
    if (judge.compare is None) != (judge.kind != "reference"):
        yield "`compare` belongs to kind 'reference', and it needs one"
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
