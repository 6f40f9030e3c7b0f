"""Shell commands of rules: values are quoted, so a name with a `;` stays one word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RULES = sorted([ROOT / "Snakefile", *ROOT.glob("rules/*.smk")])
# A directive's text, and the calls of hooks: one plain literal, no f-string, no sum.
BLOCK = re.compile(r'^ +shell:\n +r?"""\n(.*?)^ +"""\n', re.M | re.S)
CALL = re.compile(r'\bshell\(r?"([^"]*)"\)')
ANY = re.compile(r"^ +shell:|\bshell\(", re.MULTILINE)
# Braces that are doubled are the shell's own.
FIELD = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")
# Quoted where they are made: a command of several words, and a number or nothing. The
# text of a rule's command is a reason to run it again, and these rules are expensive.
SAFE = {"params.launcher", "params.limit"}


def commands(text: str) -> list[str]:
    """Return the shell commands of a file of rules."""
    return BLOCK.findall(text) + CALL.findall(text)


def unquoted(text: str) -> list[str]:
    """Return what commands interpolate without quotes."""
    fields = (field for line in commands(text) for field in FIELD.findall(line))
    return [field for field in fields if not field.endswith(":q") and field not in SAFE]


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.name)
def test_each_interpolation_into_a_shell_is_quoted(file: Path) -> None:
    text = file.read_text()
    assert unquoted(text) == []
    assert len(commands(text)) == len(ANY.findall(text)), "a shell's text is no literal"


def test_what_is_exempt_is_in_use() -> None:
    text = "".join(file.read_text() for file in RULES)
    fields = {field for line in commands(text) for field in FIELD.findall(line)}
    assert fields >= SAFE
