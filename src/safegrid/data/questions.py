"""Questions with one known answer each: BoolQ, OpenBookQA, PIQA and single words.

Takes the files of BoolQ (Clark et al. 2019), OpenBookQA (Mihaylov et al. 2018), PIQA
(Bisk et al. 2020) and own questions of one word; gives prompts whose reference is the
gold answer. Choices are shown by letters, or by their words alone to models that never
saw a letter. The wording is ours: papers do not print theirs.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.formats import Row, type_name
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems, describe
from safegrid.readers.raw import Field, Unique, read_rows

BOOLQ = {"question": Field(str), "passage": Field(str), "answer": Field(bool)}
OPENBOOKQA = {"id": Field(str), "answerKey": Field(str)}
PIQA = {"goal": Field(str), "sol1": Field(str), "sol2": Field(str), "label": Field(int)}
SINGLE_WORD = {"answer": Field(str)}
LETTERS = "ABCDEFGH"


class Question(NamedTuple):
    """A question with choices.

    Attributes:
        name: unlike every other question's of the file.
        gold: index of the right choice.
    """

    name: str
    text: str
    choices: list[str]
    gold: int


Layout = Callable[[str, list[str]], str]


def read_boolq(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read question, passage and answer (true or false); ask for yes or no.

    Questions about one passage are one cluster.
    """
    for number, row in enumerate(read_rows(path, BOOLQ, problems), start=1):
        passage, question = row.values["passage"], row.values["question"].rstrip("? ")
        yield Prompt(
            f"boolq-{number}",
            f"{passage}\n\nQuestion: {question}?\nAnswer with yes or no.",
            cluster=item_of(passage),
            reference="yes" if row.values["answer"] else "no",
        )


def read_openbookqa(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read questions with labelled choices; ask for the letter of one."""
    return _lettered(_openbookqa(path, problems))


def read_openbookqa_words(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read the same; ask for the words of a choice, which end the question."""
    return _worded(_openbookqa(path, problems), _choices_last)


def read_piqa(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read goals with two ways to reach them; ask for the letter of one."""
    return _lettered(_piqa(path, problems))


def read_piqa_words(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read the same; ask for the words of one, which begin the question."""
    return _worded(_piqa(path, problems), _choices_first)


def read_single_word(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read a prompt, also called question, and the one word that answers it."""
    for number, row in enumerate(read_rows(path, SINGLE_WORD, problems), start=1):
        given = [row.values[n] for n in ("prompt", "question") if n in row.values]
        if len(given) != 1 or not isinstance(given[0], str) or is_blank(given[0]):
            problems.add(row.line, "expected a text in one of 'prompt' and 'question'")
            continue
        yield Prompt(
            f"single-word-{number}",
            given[0],
            cluster=item_of(given[0]),
            reference=row.values["answer"].strip(),
        )


def _openbookqa(path: Path, problems: Problems) -> Iterator[Question]:
    """Read the authors' rows (`question`) or the hub's (`question_stem`)."""
    ids = Unique("field 'id'", problems)
    for row in read_rows(path, OPENBOOKQA, problems):
        stem, labels, texts = _stem_and_choices(row.values)
        key = row.values["answerKey"].strip()
        reason = _wrong(stem, texts)
        if reason is None and (len(set(labels)) < len(labels) or key not in labels):
            reason = (
                f"field 'answerKey' is {describe(key)}: expected the label of one of"
                f" the {len(labels)} choices, whose labels differ"
            )
        if reason is not None:
            problems.add(row.line, reason)
        elif ids.is_new(row.values["id"], row.line):
            name = f"openbookqa-{row.values['id']}"
            yield Question(name, stem, texts, labels.index(key))


def _stem_and_choices(values: dict[str, Any]) -> tuple[Any, list[Any], list[Any]]:
    """Return stem, labels and texts, each as it stands there, or empty."""
    nested = values.get("question")
    whole = nested if isinstance(nested, dict) else values
    stem = whole.get("stem") if whole is nested else whole.get("question_stem")
    choices = whole.get("choices")
    if isinstance(choices, dict):
        labels, texts = choices.get("label"), choices.get("text")
        if isinstance(labels, list) and isinstance(texts, list):
            return stem, labels, texts if len(texts) == len(labels) else []
    if isinstance(choices, list) and all(isinstance(one, dict) for one in choices):
        return stem, [c.get("label") for c in choices], [c.get("text") for c in choices]
    return stem, [], []


def _piqa(path: Path, problems: Problems) -> Iterator[Question]:
    for number, row in enumerate(read_rows(path, PIQA, problems), start=1):
        reason = _wrong(row.values["goal"], _solutions(row))
        if row.values["label"] not in (0, 1):
            reason = (
                "field 'label' must be 0 or 1, the right solution; rows without a known"
                " one cannot be scored"
            )
        if reason is None:
            yield Question(
                f"piqa-{number}",
                row.values["goal"],
                _solutions(row),
                row.values["label"],
            )
        else:
            problems.add(row.line, reason)


def _solutions(row: Row) -> list[str]:
    return [row.values["sol1"], row.values["sol2"]]


def _wrong(stem: object, texts: list[Any]) -> str | None:
    """Say what is wrong with a question, or None."""
    if not isinstance(stem, str) or is_blank(stem):
        return f"the question must be a text, not {_what(stem)}"
    if not 2 <= len(texts) <= len(LETTERS):
        return f"{len(texts)} choices with a label each; expected 2 to {len(LETTERS)}"
    odd = [text for text in texts if not isinstance(text, str) or is_blank(text)]
    if odd:
        return f"a choice must be a text, not {_what(odd[0])}"
    if len({text.strip().casefold() for text in texts}) < len(texts):
        return "two choices are the same: one answer would be both"
    return None


def _what(value: object) -> str:
    return "an empty one" if isinstance(value, str) else type_name(value)


def _lettered(questions: Iterable[Question]) -> Iterator[Prompt]:
    for question in questions:
        lines = [f"{a}. {b}" for a, b in zip(LETTERS, question.choices, strict=False)]
        asked = [question.text, *lines, "Answer with the letter of the right choice."]
        cluster = item_of(question.text)
        yield Prompt(
            question.name, "\n".join(asked), cluster, reference=lines[question.gold]
        )


def _worded(questions: Iterable[Question], layout: Layout) -> Iterator[Prompt]:
    for question in questions:
        text = layout(question.text, question.choices)
        reference = question.choices[question.gold].strip()
        yield Prompt(question.name, text, item_of(question.text), reference=reference)


def _choices_last(text: str, choices: list[str]) -> str:
    return f"{text.rstrip('? ')}: {_listed(choices)}?"


def _choices_first(text: str, choices: list[str]) -> str:
    return f"{_listed(choices)}? {text}"


def _listed(choices: list[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
