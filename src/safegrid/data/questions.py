"""Questions with one known answer each: BoolQ, OpenBookQA, PIQA and single words.

Takes the files of BoolQ (Clark et al. 2019), OpenBookQA (Mihaylov et al. 2018), PIQA
(Bisk et al. 2020) and own questions of one word; gives prompts whose reference is the
gold answer. Choices are shown by letters, or by their words alone to models that never
saw a letter. The wording is ours: papers do not print theirs.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from safegrid.data.rows import Prompt, PromptFile
from safegrid.data.words import item_of
from safegrid.readers.problems import describe
from safegrid.readers.raw import Fields, Filled

LETTERS = "ABCDEFGH"


class Passage(Fields):
    """A row of BoolQ."""

    question: Filled
    passage: Filled
    answer: bool


def read_boolq(file: PromptFile) -> Iterator[Prompt]:
    """Ask for yes or no; questions about one passage are one cluster."""
    for number, (_, row) in enumerate(file.rows(Passage), start=1):
        question = row.question.rstrip("? ")
        yield Prompt(
            f"boolq-{number}",
            f"{row.passage}\n\nQuestion: {question}?\nAnswer with yes or no.",
            cluster=item_of(row.passage),
            reference="yes" if row.answer else "no",
        )


class Word(Fields):
    """A prompt, also called question, and the one word that answers it."""

    NAMES: ClassVar[dict[str, str]] = {"question": "prompt"}
    prompt: Filled
    answer: Filled


def read_single_word(file: PromptFile) -> Iterator[Prompt]:
    """Ask for the one word that answers a prompt."""
    for number, (_, row) in enumerate(file.rows(Word), start=1):
        name, answer = f"single-word-{number}", row.answer.strip()
        yield Prompt(name, row.prompt, cluster=item_of(row.prompt), reference=answer)


def _differ(choices: list[str]) -> list[str]:
    if not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"holds {len(choices)} choices; expected 2 to {len(LETTERS)}")
    if len({text.strip().casefold() for text in choices}) < len(choices):
        raise ValueError(
            "holds two choices that are the same: one answer would be both"
        )
    return choices


Choices = Annotated[list[Filled], AfterValidator(_differ)]


class Science(Fields):
    """A row of OpenBookQA, of the authors' shape (`question`) or of the hub's."""

    UNIQUE: ClassVar[str] = "id"
    id: Filled
    question_stem: Filled = Field(default="", validate_default=True)
    labels: list[str] = []
    choices: Choices = Field(default=[], validate_default=True)
    key: Filled = Field(alias="answerKey")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, row: dict[str, Any]) -> dict[str, Any]:
        """Bring both shapes to lists of labels and of texts, as they stand there."""
        nested = row.get("question")
        if isinstance(nested, dict):
            row = {**row, **nested, "question_stem": nested.get("stem")}
        found = row.get("choices")
        if isinstance(found, list) and all(isinstance(one, dict) for one in found):
            found = {key: [one.get(key) for one in found] for key in ("label", "text")}
        if isinstance(found, dict):
            row = {**row, "labels": found.get("label"), "choices": found.get("text")}
        return row

    @model_validator(mode="after")
    def _one_is_right(self) -> "Science":
        labels, key = self.labels, self.key.strip()
        if len(labels) != len(self.choices):
            raise ValueError(f"{len(labels)} labels of {len(self.choices)} choices")
        if len(set(labels)) < len(labels) or key not in labels:
            raise ValueError(
                f"field 'answerKey' is {describe(key)}: expected the label of one of"
                f" the {len(labels)} choices, whose labels differ"
            )
        return self


def read_openbookqa(file: PromptFile) -> Iterator[Prompt]:
    """Ask for the letter of a choice."""
    for name, row, gold in _science(file):
        yield _lettered(name, row.question_stem, row.choices, gold)


def read_openbookqa_words(file: PromptFile) -> Iterator[Prompt]:
    """Ask for the words of a choice, which end the question."""
    for name, row, gold in _science(file):
        text = f"{row.question_stem.rstrip('? ')}: {_listed(row.choices)}?"
        right = row.choices[gold].strip()
        yield Prompt(name, text, item_of(row.question_stem), reference=right)


def _science(file: PromptFile) -> Iterator[tuple[str, Science, int]]:
    for _, row in file.rows(Science):
        yield f"openbookqa-{row.id}", row, row.labels.index(row.key.strip())


class Way(Fields):
    """A row of PIQA: a goal and two ways to reach it."""

    goal: Filled
    sol1: Filled
    sol2: Filled
    label: int

    @model_validator(mode="after")
    def _one_is_right(self) -> "Way":
        if self.label not in (0, 1):
            raise ValueError(
                "field 'label' must be 0 or 1, the right solution; rows without a known"
                " one cannot be scored"
            )
        _differ(self.choices)
        return self

    @property
    def choices(self) -> list[str]:
        """Both ways."""
        return [self.sol1, self.sol2]


def read_piqa(file: PromptFile) -> Iterator[Prompt]:
    """Ask for the letter of a way."""
    for number, (_, row) in enumerate(file.rows(Way), start=1):
        yield _lettered(f"piqa-{number}", row.goal, row.choices, row.label)


def read_piqa_words(file: PromptFile) -> Iterator[Prompt]:
    """Ask for the words of a way, which begin the question."""
    for number, (_, row) in enumerate(file.rows(Way), start=1):
        text, right = f"{_listed(row.choices)}? {row.goal}", row.choices[row.label]
        cluster = item_of(row.goal)
        yield Prompt(f"piqa-{number}", text, cluster, reference=right.strip())


def _lettered(name: str, text: str, choices: list[str], gold: int) -> Prompt:
    lines = [f"{a}. {b}" for a, b in zip(LETTERS, choices, strict=False)]
    asked = [text, *lines, "Answer with the letter of the right choice."]
    return Prompt(name, "\n".join(asked), item_of(text), reference=lines[gold])


def _listed(choices: list[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
