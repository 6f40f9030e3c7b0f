"""Where rows come from and which of them a study takes."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from safegrid.config.blocks import Block, Positive
from safegrid.config.upstream import Below, Upstream

Format = Literal[
    "documents",
    "pku",
    "preference_parquet",
    "alert",
    "alert_dpo",
    "realtoxicityprompts",
    "xstest",
    "xstest_completions",
    "instructions",
    "instruction_answers",
    "harmbench",
    "advbench",
    "alpaca_eval",
    "labelled",
    "lm_eval",
    "task_rows",
]
# PKU-SafeRLHF's nineteen, in upstream's order.
HarmCategory = Literal[
    "Endangering National Security",
    "Insulting Behavior",
    "Discriminatory Behavior",
    "Endangering Public Health",
    "Copyright Issues",
    "Violence",
    "Drugs",
    "Privacy Violation",
    "Economic Crime",
    "Mental Manipulation",
    "Human Trafficking",
    "Physical Harm",
    "Sexual Content",
    "Cybercrime",
    "Disrupting Public Order",
    "Environmental Damage",
    "Psychological Harm",
    "White-Collar Crime",
    "Animal Abuse",
]
HARM_CATEGORIES: tuple[HarmCategory, ...] = get_args(HarmCategory)
PromptKind = Literal["alert", "alert_adversarial", "toxicity", "xstest"]

# The formats that a stage of safegrid.data can prepare; the others (a base's
# documents, a judge's labelled rows, task files) are read where they are used.
DATASET_FORMATS: frozenset[Format] = frozenset({"pku"})
PROMPT_FORMATS: dict[PromptKind, Format] = {
    "alert": "alert",
    "alert_adversarial": "alert",
    "toxicity": "realtoxicityprompts",
    "xstest": "xstest",
}


class SourceSpec(Upstream):
    """An upstream set of files: where they are from, their format and licence.

    Attributes:
        format: the schema of its files; picks the adapter.
        files: a short name for each file that a study may ask for, and the file's
            path upstream, which is its path inside the source's folder too.
    """

    format: Format
    files: dict[str, Below] = Field(min_length=1)
    licence: str
    content: str


class DatasetSpec(Block):
    """Preference pairs of a study.

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        keep: which rows become pairs. `exactly_one_safe`: one response is safe and
            is chosen; `safer_response_id`: every row, the response that upstream
            calls safer is chosen, though both or neither may be safe.
        categories: only pairs whose rejected response carries one of these harm
            categories; null for all.
        limit: pairs to keep, drawn by `seed`; null for all.
        seed: rules which pairs a limit, and later a recipe's fraction, keeps.
        max_length: tokens of prompt and response together; longer pairs are dropped
            and counted when they are tokenized.
    """

    source: str
    file: str = "train"
    keep: Literal["exactly_one_safe", "safer_response_id"] = "exactly_one_safe"
    categories: list[HarmCategory] | None = Field(default=None, min_length=1)
    limit: Positive | None = None
    seed: int = 0
    max_length: Positive


class PromptSpec(Block):
    """The prompts of a benchmark.

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        kind: how rows become prompts; fits one format of source.
        plain: `alert_adversarial` only: short name of the source's plain file, by
            which the item behind each attack is found; null makes every row an item
            of its own.
        limit: prompts to keep, drawn by `seed`; null for all.
        seed: rules which prompts a limit keeps.
    """

    source: str
    file: str
    kind: PromptKind
    plain: str | None = None
    limit: Positive | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _plain_fits_kind(self) -> "PromptSpec":
        if self.plain is not None and self.kind != "alert_adversarial":
            raise ValueError(
                f"`plain` is for kind 'alert_adversarial', not {self.kind!r}: remove it"
            )
        return self
