"""Entries of a docstring's section, such as `Args:` or `Attributes:`."""

import inspect
import re

_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def entries(text: str, section: str) -> dict[str, str]:
    """Return what a docstring says of each name in a section; empty without one."""
    found = re.search(
        rf"\n{section}:\n(.*?)(?:\n\n\w|\Z)", inspect.cleandoc(text), re.DOTALL
    )
    pairs = _ENTRY.findall(found[1]) if found else []
    return {name: " ".join(said.split()) for name, said in pairs}
