"""The base class of all blocks of configuration, and the types of their keys.

Each number has bounds, so that none is infinite or beyond what a stage can count.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# The most of anything that is counted or measured: above all that is meant, and below
# where clocks and sums overflow. Files are larger.
MOST = 10**9
MOST_BYTES = 10**15

Positive = Annotated[int, Field(gt=0, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
# What numpy takes.
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _each_once(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands twice")
    return seeds


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_each_once)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, le=1)]
Above0 = Annotated[float, Field(gt=0, le=MOST)]
From0 = Annotated[float, Field(ge=0, le=MOST)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

# Names become folders, wildcards of rules and words of command lines.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
NAMING = (
    "a name may hold letters, digits and _ . + - , begins with one of the first two and"
    " has at most 100 of them: it becomes a folder; it is neither `results` nor a"
    " number, a date or a truth value"
)


def is_name(text: str) -> bool:
    """Say whether a text can be the name of a study or of anything in one."""
    return _NAME.fullmatch(text) is not None and text != "results" and _stays_text(text)


def _stays_text(text: str) -> bool:
    """Say whether Snakemake takes a value of `--config` for a text."""
    try:
        float(text)
    except ValueError:
        return isinstance(yaml.safe_load(text), str)
    return False


def _named(text: str) -> str:
    if not is_name(text):
        raise ValueError(NAMING)
    return text


Name = Annotated[str, AfterValidator(_named)]


def plain_address(url: str) -> str:
    """Check that an address can be shown and joined to: no key, no query in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must begin with https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The value of a refused key is shown, so it is not repeated here.
        raise ValueError("must hold no user, password, query or fragment")
    return url


Address = Annotated[str, AfterValidator(plain_address)]


class Block(BaseModel):
    """A piece of configuration; a misspelt key is an error, never ignored.

    A value has the kind that its key asks for: no text stands for a number, and no
    number for a truth.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )
