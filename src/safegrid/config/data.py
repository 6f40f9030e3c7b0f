"""Where rows come from and which of them a study takes."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from safegrid.config.beams import ENTRY
from safegrid.config.blocks import Block, JudgeKind, Positive
from safegrid.config.made import CorrectionsSpec, MadeSpec
from safegrid.config.prefill import PrefillSpec
from safegrid.config.upstream import Below, Upstream

Format = Literal[
    "documents",
    "pku",
    "alert",
    "alert_dpo",
    "safe_to_serve",
    "pairs_csv",
    "realtoxicityprompts",
    "garak",
    "xstest",
    "xstest_completions",
    "harmbench",
    "advbench",
    "safety_tuned_llamas",
    "instructions",
    "questions",
    "prompts_csv",
    "labelled",
    "reward_pairs",
    "scored",
    "verdicts",
    "lm_eval",
    "custom_generate",
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

# The formats of rows with known labels, and the kinds of judge that can be measured on
# them.
LABELLED_FORMATS: dict[Format, tuple[JudgeKind, ...]] = {
    "labelled": ("guard", "toxicity", "refusal", "correction"),
    "xstest_completions": ("refusal",),
    "reward_pairs": ("reward",),
    "scored": ("harmfulness",),
}
# The format of code by which transformers' `generate` searches for answers.
CODE_FORMAT: Format = "custom_generate"
# The format of verdicts from elsewhere, for judges of method `file`.
VERDICT_FORMATS: frozenset[Format] = frozenset({"verdicts"})
# The formats that a stage of safegrid.data can prepare; the others (a base's
# documents, a judge's labelled rows, task files) are read where they are used.
DATASET_FORMATS: frozenset[Format] = frozenset(
    {"pku", "alert_dpo", "safe_to_serve", "pairs_csv", "instructions"}
)
# Those of them whose rows have one answer, so that nothing is preferred.
INSTRUCTION_FORMATS: frozenset[Format] = frozenset({"instructions"})
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
    {
        "answered_instructions",
        "boolq",
        "openbookqa",
        "openbookqa_words",
        "piqa",
        "piqa_words",
        "single_word",
    }
)


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

    @property
    def is_code(self) -> bool:
        """Whether its files are run, so that the user is asked for consent."""
        return self.format == CODE_FORMAT

    @model_validator(mode="after")
    def _code_is_code(self) -> "SourceSpec":
        if self.remote_code:
            raise ValueError(
                "`remote_code` is for bases and judges; of a source its format says"
                f" so, {CODE_FORMAT!r}: remove it"
            )
        if self.is_code and ENTRY not in self.files.values():
            raise ValueError(
                f"format {CODE_FORMAT!r} is a folder that transformers' `generate`"
                f" takes: name {ENTRY} among its `files`, and what that imports"
            )
        return self


class PromptSpec(Block):
    """The prompts of a benchmark.

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        kind: how rows become prompts; fits one format of source.
        plain: `alert_adversarial` only: short name of the source's plain file, by
            which the item behind each attack is found; null makes every row an item
            of its own.
        label: what every prompt is, where its row does not say; over-refusal is
            about the safe ones.
        prefills: `c2_eval` only: the beginnings of answers that the requests are asked
            with; null for the defaults.
        limit: prompts to keep, drawn by `seed`; null for all. `c2_eval`: rows, each
            with all its beginnings.
        seed: rules which prompts a limit keeps, and which opener a beginning has.
        input_heading: kinds of instructions only: line that stands above an
            instruction's input, where it has one.
    """

    source: str
    file: str
    kind: PromptKind
    plain: str | None = None
    label: Label | None = None
    prefills: PrefillSpec | None = None
    limit: Positive | None = None
    seed: int = 0
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


class PartSpec(Block):
    """Rows of one file, of a dataset that is mixed from several.

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        limit: rows to take, drawn by `seed`: exactly so many. Those of a smaller limit
            are among those of a larger one. Null for all.
        seed: rules which rows the limit takes.
        input_heading: line that stands above an instruction's input, where it has one.
    """

    source: str
    file: str = "train"
    limit: Positive | None = None
    seed: int = 0
    input_heading: str = ""


class BestOfKSpec(MadeSpec):
    """The best of k answers of a model to each prompt, by a judge's score (RAFT).

    Attributes:
        decode: `samples` is k.
        prompts: what it is asked.
        judge: whose score picks the best; unscored answers are never picked.
    """

    prompts: PromptSpec
    judge: str

    @property
    def judges(self) -> list[str]:
        """The judge that scores its answers."""
        return [self.judge]


class DatasetSpec(Block):
    """Training rows of a study: preference pairs, or instructions with one answer.

    They come from a file (`source`), from several (`parts`), or are made by a model
    (`best_of_k`, `corrections`).

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        parts: files of instructions that are mixed.
        best_of_k: what a model answers, the best of several answers each.
        corrections: unsafe answers that a model breaks off, ranked by how early.
        keep: format `pku` only: which rows become pairs. `exactly_one_safe`: one
            response is safe and is chosen; `safe_and_better`: the chosen one is safe
            and upstream calls it better too; `safer_response_id`: every row, the
            response that upstream calls safer is chosen, though both or neither may
            be safe.
        categories: format `pku` only: pairs whose rejected response carries one of
            these harm categories; null for all.
        limit: pairs to keep, drawn by `seed`; null for all.
        seed: rules which pairs a limit, and later a recipe's fraction, keeps.
        max_length: tokens of prompt and response together; longer rows are dropped
            and counted when they are tokenized.
    """

    source: str | None = None
    file: str = "train"
    parts: list[PartSpec] = []
    best_of_k: BestOfKSpec | None = None
    corrections: CorrectionsSpec | None = None
    keep: Literal["exactly_one_safe", "safe_and_better", "safer_response_id"] = (
        "exactly_one_safe"
    )
    categories: list[HarmCategory] | None = Field(default=None, min_length=1)
    limit: Positive | None = None
    seed: int = 0
    max_length: Positive

    @model_validator(mode="after")
    def _one_origin(self) -> "DatasetSpec":
        origins = ("source", "parts", "best_of_k", "corrections")
        given = [name for name in origins if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "rows come from one of `source`, `parts`, `best_of_k` and"
                f" `corrections`; got {' and '.join(given) or 'none'}"
            )
        unread = {"file", "keep", "categories", "limit"} & self.model_fields_set
        if self.made is not None and unread:
            raise ValueError(
                f"rows that a model makes know no {', '.join(sorted(unread))}: remove"
                f" it here; what is asked is limited under `{given[0]}`"
            )
        return self

    @property
    def made(self) -> MadeSpec | None:
        """How a model makes it; null where files hold it."""
        return self.best_of_k or self.corrections

    @property
    def rows_from(self) -> list[PartSpec]:
        """The files that its rows are from; none where a model makes it."""
        if self.source is not None:
            return [PartSpec(source=self.source, file=self.file)]
        return self.parts
