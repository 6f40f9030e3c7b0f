"""Text heads: the labelled rows that one is trained on, and how."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from safegrid.config.block import Above0, Block, Positive, Share
from safegrid.config.names import FileOf, Named
from safegrid.config.source import Format

Feature = Literal["answer", "prompt", "product", "words", "forms"]
FEATURES: tuple[Feature, ...] = get_args(Feature)
# Chosen by files left out (docs/refusal_judge.md): the prompt misleads.
DEFAULT: tuple[Feature, ...] = ("answer", "words", "forms")
# Those of them that an encoder gives.
ENCODED = ("answer", "prompt", "product")
# The formats whose rows carry labels of their own, and those whose rows are given one.
OWN_LABELS: tuple[Format, ...] = ("xstest_completions", "labelled")
GIVEN_LABEL: tuple[Format, ...] = ("instructions", "pku")
KEYS = ("trained_on", "features", "max_words", "regularisation")


def _unlabelled(source: Any, name: str, block: Any) -> str | None:
    file, label = block.get("file"), block.get("label")
    part = LabelledFile.model_construct(source=name, file=str(file), label=label)
    return check_labels(part, source.format)


class LabelledFile(Block):
    """A file of rows that a head is trained on.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `labelled`,
            `xstest_completions`, `instructions` or `pku`
        file: short name of the file in that source; best the answers of one model
        label: the class of all its rows, for formats `instructions` and `pku`; null for
            rows with labels of their own
    """

    source: Annotated[str, Named("source", _unlabelled)]
    file: Annotated[str, FileOf()]
    label: str | None = None

    @property
    def name(self) -> str:
        """Its name in tables and messages."""
        return f"{self.source}/{self.file}"


class HeadSpec(Block):
    """What the training of a text head needs.

    Attributes:
        positive: the class whose probability is the score.
        threshold: P(positive) from which on a row is positive.
        regularisation: strength of the L2 penalty, scikit-learn's 1/C.
    """

    name: str
    classes: list[str] = Field(min_length=2)
    positive: str
    threshold: Share
    trained_on: list[LabelledFile] = Field(min_length=1)
    features: list[Feature] = Field(min_length=1)
    max_words: Positive
    regularisation: Above0


def check_labels(part: LabelledFile, file_format: Format) -> str | None:
    """Say why rows of a format cannot be labelled as asked; None where they can."""
    if part.label is None and file_format not in OWN_LABELS:
        return (
            f"{part.name} is of format {file_format!r}, whose rows carry no labels:"
            f" give it a `label`, or take one of {' or '.join(OWN_LABELS)}"
        )
    if part.label is not None and file_format not in GIVEN_LABEL:
        return (
            f"{part.name} is of format {file_format!r}: `label` is for rows of"
            f" {' or '.join(GIVEN_LABEL)}, remove it or take another file"
        )
    return None
