"""Sources: the formats of their files, and what rows of each format can become."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from safegrid.config.block import Block, Positive, Seed
from safegrid.config.judge import JudgeKind
from safegrid.config.names import FileOf, source_of
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
# The formats of rows with known labels, and the kinds of judge that can be measured on
# them.
LABELLED_FORMATS: dict[Format, tuple[JudgeKind, ...]] = {
    "labelled": ("guard", "toxicity", "refusal", "correction", "fluency"),
    "xstest_completions": ("refusal", "fluency"),
    "reward_pairs": ("reward",),
    "scored": ("harmfulness",),
}
# The format of code by which transformers' `generate` searches for answers.
CODE_FORMAT: Format = "custom_generate"
# Where it looks for that code in a folder.
ENTRY = "custom_generate/generate.py"
# The formats that a stage of safegrid.data can prepare; the others (a base's
# documents, a judge's labelled rows, task files) are read where they are used.
DATASET_FORMATS: frozenset[Format] = frozenset(
    {"pku", "alert_dpo", "safe_to_serve", "pairs_csv", "instructions"}
)
# Those of them whose rows have one answer, so that nothing is preferred.
INSTRUCTION_FORMATS: frozenset[Format] = frozenset({"instructions"})


class SourceSpec(Upstream):
    """An upstream set of files: where they are from, their format and licence.

    Attributes:
        format: schema of its files: `documents`, `lm_eval`; labelled rows: `labelled`,
            `xstest_completions`, `reward_pairs`, `scored` ([which for which kind of
            judge](../docs/add_a_judge.md#2-measure-it)); verdicts from elsewhere:
            `verdicts`; pairs: `pku`, `alert_dpo`, `safe_to_serve`, `pairs_csv`;
            prompts: `alert`, `realtoxicityprompts`, `garak`, `xstest`, `harmbench`,
            `advbench`, `safety_tuned_llamas`, `instructions`, `questions`,
            `prompts_csv`; code that [searches for answers](#diverse-beams):
            `custom_generate`
        files: a short name for each file, and its path upstream, which is its path
            inside the source's folder
        licence: as stated upstream; an SPDX expression where there is one
        content: what a reader will meet in the rows
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


INSTRUCTIONS = source_of(*INSTRUCTION_FORMATS, holds="instructions with answers")
"""The mark of a source whose rows are prompts with one answer."""


class PartSpec(Block):
    """Rows of one file, of a dataset that is made of several.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `instructions`
        file: short name of the file in that source
        limit: rows to take, exactly so many, drawn by `seed`: a smaller number's rows
            are among a larger one's; null for all
        seed: rules which rows the limit takes
        input_heading: a line that stands above an instruction's input, where it has
            one: template `alpaca` looks for `'### Input:'`
    """

    source: Annotated[str, INSTRUCTIONS]
    file: Annotated[str, FileOf()] = "train"
    limit: Positive | None = None
    seed: Seed = 0
    input_heading: str = ""
