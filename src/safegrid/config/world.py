"""A miniature world: how large its files are and how its models are trained."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from safegrid.config.block import Above0, Block, From0, Name, Positive, Seed, Share
from safegrid.config.names import FileOf
from safegrid.config.source import INSTRUCTIONS

Vocabulary = Annotated[Positive, Field(ge=300)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


class Sets(Block):
    """How many requests each set of Safety-Tuned LLaMAs' evaluation gets.

    Attributes:
        cona: requests for hate
        malicious: two thirds for hate, the others for crime
        controversial: about what people quarrel over
        physical_unsafe: about what hurts bodies
        physical_safe: harmless look-alikes
        harm_questions: questions of every harmful category
        alpaca: everyday requests
    """

    cona: Positive
    malicious: Annotated[Positive, Field(ge=2)]
    controversial: Positive
    physical_unsafe: Positive
    physical_safe: Positive
    harm_questions: Positive
    alpaca: Positive


class Rows(Block):
    """How many rows each raw file of a world gets.

    Attributes:
        corpus: documents that the base is trained on
        pku_train: preference rows for training
        pku_dev: preference rows of the development split
        alert: prompts of each micro category
        alert_dev: the same for the development split
        attacks: adversarial prompts of each micro category and attack; at most `alert`
        toxicity: openings to continue
        xstest: prompts, look-alikes and contrasts together
        xstest_dev: the same for the development split
        tasks: items of each capability task
        tasks_dev: the same for the development split
        guard: training rows of the guard
        toxicity_rows: training rows of the toxicity classifier
        refusal: training rows of the refusal classifier
        reward: training pairs of the reward model
        harmfulness: training rows of the harmfulness regression
        judge_test: held-out rows of each judge
        questions: questions of each kind with known answers
        instructions: everyday instructions with answers
        instructions_test: the same, held out
        safety: harmful requests with refusals
        sets: sizes of the evaluation sets, below
        correction: training rows of the correction judge; null for a world without one
    """

    corpus: Positive
    pku_train: Positive
    pku_dev: Positive
    alert: Positive
    alert_dev: Positive
    attacks: Positive
    toxicity: Positive
    xstest: Positive
    xstest_dev: Positive
    tasks: Positive
    tasks_dev: Positive
    guard: Positive
    toxicity_rows: Positive
    refusal: Positive
    reward: Positive
    harmfulness: Positive
    judge_test: Positive
    questions: Positive
    instructions: Positive
    instructions_test: Positive
    safety: Positive
    sets: Sets
    correction: Positive | None = None

    @model_validator(mode="after")
    def _attacks_have_items(self) -> "Rows":
        if self.attacks > self.alert:
            raise ValueError(
                f"attacks ({self.attacks}) are made from a category's alert prompts:"
                f" at most {self.alert} of each attack"
            )
        return self


class SmallModel(Block):
    """The shape of a miniature's model (Llama class) and its training.

    Attributes:
        hidden: width; a multiple of twice the heads
        layers: number of blocks
        heads: attention heads
        feed_forward: width of the hidden layer of a block's MLP
        context: longest sequence in tokens
        steps: optimiser steps
        batch: documents a step, all of one length (real text: of nearly one)
        learning_rate: its peak; a cosine falls from it to a tenth
        warmup: share of the steps with a rising learning rate
        weight_decay: of AdamW
    """

    hidden: Positive
    layers: Positive
    heads: Positive
    feed_forward: Positive
    context: Positive = 256
    steps: Positive
    batch: Positive
    learning_rate: Above0
    warmup: Share = 0.05
    weight_decay: From0 = 0.01

    @model_validator(mode="after")
    def _heads_divide(self) -> "SmallModel":
        if self.hidden % (2 * self.heads):
            raise ValueError(
                f"hidden {self.hidden} must be a multiple of twice the {self.heads}"
                " heads: rotary positions pair a head's numbers"
            )
        return self


class WrongLabels(Block):
    """Labels that a poor guard learns turned over, so that its errors are known.

    Attributes:
        column: what of a training row is looked at, `prompt` or `response`
        pattern: regular expression; where it is found there, the label is turned over
    """

    column: Literal["prompt", "response"]
    pattern: Annotated[str, AfterValidator(_pattern)]


class Judges(Block):
    """The judges of a world.

    Attributes:
        guard: shape and training, below
        toxicity: likewise
        refusal: likewise
        reward: likewise
        harmfulness: likewise
        correction: likewise; null for a world without one
        place_guard: what a second guard learns wrongly, by the place that a prompt
            names, below; in all else it is trained as `guard`; null likewise
        style_guard: what a third guard learns wrongly, by the style of an answer
    """

    guard: SmallModel
    toxicity: SmallModel
    refusal: SmallModel
    reward: SmallModel
    harmfulness: SmallModel
    correction: SmallModel | None = None
    place_guard: WrongLabels | None = None
    style_guard: WrongLabels | None = None

    def shape(self, judge: str) -> SmallModel | None:
        """Return a judge's shape and training; a poor guard has the guard's."""
        said: SmallModel | WrongLabels | None = getattr(self, judge, None)
        return self.guard if isinstance(said, WrongLabels) else said


JudgeName = Literal[
    "guard",
    "toxicity",
    "refusal",
    "reward",
    "harmfulness",
    "correction",
    "place_guard",
    "style_guard",
]


class TextFile(Block):
    """A file of instructions with their answers, of the registry of sources.

    Attributes:
        source: name in `sources.yaml`, of format `instructions`
        file: short name of the file there
    """

    source: Annotated[str, INSTRUCTIONS]
    file: Annotated[str, FileOf()]


class Text(Block):
    """Real text that a base learns beside the world's own documents.

    Attributes:
        files: files of instructions with their answers, below
        vocabulary: tokens of the base's own tokenizer, learned from all that it reads
    """

    files: list[TextFile] = Field(min_length=1)
    vocabulary: Vocabulary


class World(Block):
    """Everything that a miniature world is built from.

    Attributes:
        name: leave it out; small letters, digits, underscores
        seed: rules words drawn, splits, and the weights' beginning
        vocabulary: tokens of the byte-level BPE, at least 300
        rows: how many rows each raw file gets, below
        base: shape and training of `{world}-base`, below
        sizes: bases of other shapes that learn the same documents, each a block as
            `base`, by the end of its name: `small` is `{world}-small`
        judges: the same for each judge
        text: real text that the base learns beside the world's own, below

    A job is given one base as `base`, so the others are left out where a world is
    written down.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    seed: Seed
    vocabulary: Vocabulary = 1024
    rows: Rows
    base: SmallModel
    sizes: dict[Name, SmallModel] = Field(default={}, exclude=True)
    judges: Judges
    text: Text | None = None

    @field_validator("sizes")
    @classmethod
    def _own_names(cls, sizes: dict[str, SmallModel]) -> dict[str, SmallModel]:
        if "base" in sizes:
            raise ValueError("`base` stands beside `sizes`; give this one another name")
        return sizes

    @property
    def bases(self) -> dict[str, SmallModel]:
        """The bases that are trained on the world's documents, by their names."""
        shapes = {"base": self.base, **self.sizes}
        return {f"{self.name}-{end}": shape for end, shape in shapes.items()}

    @property
    def texts(self) -> list[TextFile]:
        """The files of real text; none without any."""
        return self.text.files if self.text is not None else []
