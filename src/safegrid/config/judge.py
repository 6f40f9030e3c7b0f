"""How a judge is read: its block, and that of an endpoint that judges."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from safegrid.config.block import Above0, Block, Count, Positive, Seed, Share, Variable
from safegrid.config.judge_kinds import Compare, JudgeKind, check_keys


class EndpointSpec(Block):
    """An OpenAI-compatible chat endpoint that judges: what it is sent, and how fast.

    Its address and key are in the environment and nowhere else: they are no part of
    what is judged, and a key must reach no file.

    Attributes:
        model: its name there.
        address: variable that holds the base URL, mostly one that ends in `/v1`.
        key: variable that holds the bearer key; unset where none is asked for.
        max_tokens: of an answer.
        at_once: requests under way at a time.
        a_minute: requests that may begin in a minute; null for no bound.
        timeout: seconds that an answer may take.
        tries: of one request, before its item is left for a later run.
    """

    model: str = Field(min_length=1)
    address: Variable = "SAFEGRID_JUDGE_URL"
    key: Variable = "SAFEGRID_JUDGE_KEY"
    seed: Seed = 42
    max_tokens: Positive = 2
    at_once: Positive = 4
    a_minute: Positive | None = None
    timeout: Above0 = 60.0
    tries: Positive = 6


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
        least_mass: a guard that puts less than this probability on its two verdict
            words together has not answered: unscored.
        category_tokens: tokens generated for the category line of unsafe rows, its end
            included: the last code of a line that is cut there is left out.
        positive: label of a classifier whose probability is the score.
        classes: labels that a classifier may give, first the one that kappa sets
            against the positive one.
        yes_word: correction: the word that says so; `no_word` likewise.
        text: what a `reward` or `harmfulness` model reads, with the places `{prompt}`
            and `{response}`; null for its own chat template.
        wording: correction: the question, with the places `{prompt}`, `{prefill}` and
            `{response}`, and `{yes}` and `{no}`; null for the package's own.
        second: the second of two texts where it reads a pair; null for one text.
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
    least_mass: Share = 0.5
    category_tokens: Count = 0
    positive: str = ""
    classes: list[str] = []
    yes_word: str = "yes"
    no_word: str = "no"
    wording: str | None = None
    text: str | None = None
    second: str | None = None
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
        if fault := next(check_keys(self), None):
            raise ValueError(fault)
        return self
