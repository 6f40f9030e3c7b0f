"""The category line that a guard writes under `unsafe`."""

import re

from safegrid.readers.plain import plain

# The hazards of the MLCommons taxonomy as Llama Guard 3 writes them (its model card).
CODE = re.compile(r"S(?:[1-9]|1[0-4])")


def parse_categories(text: str, cut: bool) -> list[str]:
    """Return the hazard codes of a guard's category line, such as `S1,S10`.

    Only the first line with anything on it is read, so that nothing which a guard
    quotes later counts; what is no code of the taxonomy is left out.

    Args:
        text: what the guard wrote after its verdict word.
        cut: it stopped at the length limit, so that a line's last code may be the
            beginning of a longer one (`S1` of `S10`) and is left out.
    """
    line, ended, _ = plain(text).lstrip().partition("\n")
    parts = line.split(",")
    if cut and not ended:
        parts.pop()
    codes = [part.strip() for part in parts if CODE.fullmatch(part.strip())]
    return list(dict.fromkeys(codes))
