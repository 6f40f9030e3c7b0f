"""Text heads: the labelled rows that one is trained on, and how."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from safegrid.config.block import Above0, Block, Positive, Share
from safegrid.config.source import Format

if TYPE_CHECKING:  # safegrid.config.study imports this module while it is being loaded
    from safegrid.config.study import JudgeEntry

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


class LabelledFile(Block):
    """A file of rows that a head is trained on.

    Attributes:
        source: name of a source.
        file: short name of the file in it.
        label: the class that every row is given, of a file without labels of its own;
            null for the rows' own. Only a file with labels of its own is left out in
            turn, to validate the head on it.
    """

    source: str
    file: str
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


def check_head(judge: "JudgeEntry") -> Iterator[str]:
    """Yield what does not fit together in the keys of a text head, a sentence each."""
    if judge.method != "text_head":
        given = [key for key in KEYS if key in judge.model_fields_set]
        given += ["encoder"] * (judge.encoder is not None)
        if given:
            yield f"`{given[0]}` is for method 'text_head': remove it, or say so"
        return
    if judge.encoder is None and set(judge.features) & set(ENCODED):
        yield (
            "method 'text_head' needs `encoder`, whose vectors it reads; or `features`"
            " that need none (words, forms)"
        )
    yield from _of_rows(judge)


def _of_rows(judge: "JudgeEntry") -> Iterator[str]:
    given = {part.label for part in judge.trained_on}
    if odd := sorted(label for label in given if label and label not in judge.classes):
        yield f"`trained_on` gives the label {odd[0]!r}, which is none of `classes`"
    if not judge.trained_on:
        yield "method 'text_head' needs `trained_on`, the labelled rows it learns from"
    elif None not in given and len(given) == 1:
        (label,) = given
        yield (
            f"`trained_on` holds rows of one class only, {label!r}: a regression needs"
            " rows of another class too"
        )
    names = [part.name for part in judge.trained_on]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"`trained_on` names {twice[0]} more than once"


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
