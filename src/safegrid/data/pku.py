"""PKU-SafeRLHF (Ji et al. 2024): two responses a prompt, each labelled safe or not.

Takes both column sets that upstream published: seven columns (the 30K release) and
sixteen (since June 2024: harm categories, severities, sources, checksums); gives the
pairs that a dataset's rule makes of them.
"""

from hashlib import sha256
from typing import Annotated

from pydantic import AfterValidator, model_validator

from safegrid.config.dataset import HARM_CATEGORIES, DatasetSpec
from safegrid.data.rows import Pair, unusable
from safegrid.readers.problems import describe
from safegrid.readers.raw import Fields, Filled


def _which(number: int) -> int:
    if number not in (0, 1):
        raise ValueError("must be 0 or 1")
    return number


def _published(flags: dict[str, bool]) -> dict[str, bool]:
    if odd := [name for name in flags if name not in HARM_CATEGORIES]:
        raise ValueError(
            "has categories that upstream does not publish:"
            f" {', '.join(map(describe, odd[:5]))}"
        )
    return flags


Which = Annotated[int, AfterValidator(_which)]
Harms = Annotated[dict[str, bool], AfterValidator(_published)]


class Comparison(Fields):
    """One row; the harm categories and checksums are of the sixteen-column form."""

    prompt: Filled
    response_0: str
    response_1: str
    is_response_0_safe: bool
    is_response_1_safe: bool
    # About helpfulness, and often not the safer one.
    better_response_id: Which
    safer_response_id: Which
    response_0_harm_category: Harms | None = None
    response_1_harm_category: Harms | None = None
    response_0_sha256: str | None = None
    response_1_sha256: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Comparison":
        names = [
            f"response_{i}_{what}"
            for what in ("harm_category", "sha256")
            for i in (0, 1)
        ]
        lost = [name for name in names if getattr(self, name) is None]
        if 0 < len(lost) < len(names):
            raise ValueError(
                f"field {lost[0]!r} is missing, while others of the sixteen-column form"
                " are there"
            )
        return self

    @property
    def responses(self) -> tuple[str, str]:
        """The two texts."""
        return self.response_0, self.response_1

    @property
    def safe(self) -> tuple[bool, bool]:
        """Whether each is safe."""
        return self.is_response_0_safe, self.is_response_1_safe

    @property
    def unsafe(self) -> list[str]:
        """The responses that are not safe."""
        pairs = zip(self.responses, self.safe, strict=True)
        return [text for text, safe in pairs if not safe]

    @property
    def has_harms(self) -> bool:
        """Whether it is of the sixteen-column form."""
        return self.response_0_harm_category is not None

    def harms(self, response: int) -> list[str]:
        """Return the harm categories of a response in upstream's order."""
        both = (self.response_0_harm_category, self.response_1_harm_category)
        flags = both[response] or {}
        return [name for name in HARM_CATEGORIES if flags.get(name)]

    @property
    def intact(self) -> bool:
        """Whether each response has upstream's checksum, where the form has one."""
        # Upstream's rule, found on its published rows: prompt and response together.
        sums = [sha256((self.prompt + r).encode()).hexdigest() for r in self.responses]
        told = [self.response_0_sha256, self.response_1_sha256]
        return not self.has_harms or told == sums


def choose(line: int, row: Comparison, spec: DatasetSpec) -> Pair | str:
    """Return the pair that a comparison makes by the dataset's rule, or why none.

    Its category is the first harm category of the rejected response, if it has one.
    """
    if not row.intact:
        return "checksum_mismatch"
    if (reason := unusable(*row.responses)) is not None:
        return reason
    chosen = row.safer_response_id
    chosen_is_safe, one_safe = row.safe[chosen], row.safe[0] != row.safe[1]
    if spec.keep == "exactly_one_safe" and not one_safe:
        return "both_safe" if chosen_is_safe else "both_unsafe"
    if one_safe and not chosen_is_safe:
        return "labels_disagree"
    if spec.keep == "safe_and_better" and not chosen_is_safe:
        return "both_unsafe"
    if spec.keep == "safe_and_better" and row.better_response_id != chosen:
        return "not_better"
    harms = row.harms(1 - chosen)
    if spec.categories is not None and not set(harms) & set(spec.categories):
        return "other_category"
    good, bad = row.responses[chosen], row.responses[1 - chosen]
    return Pair(line, row.prompt, good, bad, harms[0] if harms else None)
