"""HarmBench (Mazeika et al. 2024) and AdvBench (Zou et al. 2023): harmful behaviours.

Takes their csv files; gives prompts. A contextual behaviour of HarmBench is asked with
its context before it, as HarmBench's own direct request does. What HarmBench calls its
semantic category is the category here (copyright is one of its own), its functional
category the macro category.
"""

from collections.abc import Iterator
from pathlib import Path

from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.problems import Problems, unknown
from safegrid.readers.raw import Field, Unique, read_rows

FUNCTIONS = ("standard", "contextual", "copyright")
HARMBENCH = {
    "Behavior": Field(str),
    "FunctionalCategory": Field(str),
    "SemanticCategory": Field(str),
    "ContextString": Field(str, filled=False),
    "BehaviorID": Field(str),
}
ADVBENCH = {"goal": Field(str), "target": Field(str)}


def read_harmbench(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read HarmBench's text behaviours; what does not fit is noted in `problems`."""
    ids = Unique("field 'BehaviorID'", problems)
    for row in read_rows(path, HARMBENCH, problems):
        values = row.values
        function, context = values["FunctionalCategory"], values["ContextString"]
        if function not in FUNCTIONS:
            reason = unknown("FunctionalCategory", function, FUNCTIONS)
            problems.add(row.line, reason)
        elif (function == "contextual") != bool(context.strip()):
            problems.add(
                row.line,
                "field 'ContextString' must be filled where 'FunctionalCategory' is"
                " 'contextual', and nowhere else",
            )
        elif ids.is_new(values["BehaviorID"], row.line):
            text = values["Behavior"]
            if context.strip():
                text = f"{context}\n\n---\n\n{text}"
            yield Prompt(
                f"harmbench-{values['BehaviorID']}",
                text,
                cluster=item_of(text),
                category=values["SemanticCategory"],
                macro_category=function,
            )


def read_advbench(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read AdvBench's goals; its targets are what an attack aims at, and not asked."""
    for number, row in enumerate(read_rows(path, ADVBENCH, problems), start=1):
        goal = row.values["goal"]
        yield Prompt(f"advbench-{number}", goal, cluster=item_of(goal))
