"""The training rows of a study: from a file, mixed from several, or made by a model."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from safegrid.config.block import Block, Positive, Seed
from safegrid.config.generated import (
    GENERATED,
    BestOfKSpec,
    CorrectionsSpec,
    GeneratedSpec,
    RejectedByModelSpec,
)
from safegrid.config.names import FileOf, source_of
from safegrid.config.source import DATASET_FORMATS, PartSpec

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


class DatasetSpec(Block):
    """Training rows of a study: preference pairs, or instructions with one answer.

    They come from a file (`source`), from several (`parts`), or are made by a model
    (`best_of_k`, `corrections`, `rejected_by_model`).

    Attributes:
        source: name of a [source](#sourcesyaml): pairs of format `pku`, `alert_dpo`,
            `safe_to_serve` or `pairs_csv`, or `instructions`
        file: short name of the file in that source
        parts: files of instructions that are mixed, [below](#a-mix)
        best_of_k: made by a model, [below](#the-best-of-k-answers)
        corrections: pairs that are made by a model, [below](#course-corrections)
        rejected_by_model: answers of sources, preferred to a model's own,
            [below](#a-models-own-answers-rejected)
        keep: format `pku` only: which rows become pairs. `exactly_one_safe`: one
            response is safe, and is chosen. `safe_and_better`: the same where upstream
            calls it better too. `safer_response_id`: every row; what upstream calls
            safer is chosen
        categories: format `pku` only: pairs whose rejected response carries one of
            these of PKU-SafeRLHF's harm categories
        limit: pairs to keep, drawn by `seed`; null for all
        seed: rules which pairs a limit, and later a recipe's fraction, keeps, and KTO's
            micro-batches
        max_length: tokens of prompt and longer response together; longer pairs are
            dropped whole and counted
    """

    source: Annotated[
        str | None, source_of(*DATASET_FORMATS, holds="training rows")
    ] = None
    file: Annotated[str, FileOf()] = "train"
    parts: list[PartSpec] = []
    best_of_k: BestOfKSpec | None = None
    corrections: CorrectionsSpec | None = None
    rejected_by_model: RejectedByModelSpec | None = None
    keep: Literal["exactly_one_safe", "safe_and_better", "safer_response_id"] = (
        "exactly_one_safe"
    )
    categories: list[HarmCategory] | None = Field(default=None, min_length=1)
    limit: Positive | None = None
    seed: Seed = 0
    max_length: Positive

    @model_validator(mode="after")
    def _one_origin(self) -> "DatasetSpec":
        origins = ("source", "parts", *GENERATED)
        given = [name for name in origins if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "rows come from one of `source`, `parts`, `best_of_k`, `corrections`"
                f" and `rejected_by_model`; got {' and '.join(given) or 'none'}"
            )
        unread = {"file", "keep", "categories", "limit"} & self.model_fields_set
        if self.generated is not None and unread:
            raise ValueError(
                f"rows that a model makes know no {', '.join(sorted(unread))}: remove"
                f" it here; what is asked is limited under `{given[0]}`"
            )
        return self

    @property
    def generated(self) -> GeneratedSpec | None:
        """How a model makes it; null where files hold it."""
        return self.best_of_k or self.corrections or self.rejected_by_model

    @property
    def rows_from(self) -> list[PartSpec]:
        """The files that its rows are from; none where a model makes it."""
        if self.source is not None:
            return [PartSpec(source=self.source, file=self.file)]
        return self.parts
