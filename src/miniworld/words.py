"""The words of the miniature world, read from `words.yaml`."""

from pathlib import Path
from typing import NamedTuple

import yaml

from safegrid.config.dataset import HarmCategory

_READ = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))


class Harm(NamedTuple):
    """A micro category of ALERT: its labels elsewhere, and what is asked for."""

    code: str
    pku: HarmCategory
    verbs: list[str]
    objects: list[str]


FORMS: list[str] = _READ["forms"]
PLACES: list[str] = _READ["places"]
HARMS: dict[str, Harm] = {name: Harm(**harm) for name, harm in _READ["harms"].items()}
LOOKALIKES: dict[str, dict[str, list[str]]] = _READ["lookalikes"]
PLAIN: dict[str, list[str]] = _READ["plain"]
WRAPPINGS: dict[str, list[str]] = _READ["attacks"]

REFUSALS: list[str] = _READ["refusals"]
FIRST_STEPS: list[str] = _READ["first_steps"]
LAST_STEPS: list[str] = _READ["last_steps"]
RUDE_WORDS: list[str] = _READ["rude_words"]
TURNS: list[str] = _READ["turns"]
ENDS: list[str] = _READ["ends"]

SUM_FORMS: list[str] = _READ["sum_forms"]
REPEATING: list[str] = _READ["repeating"]
ANSWER_WORDS: list[str] = _READ["answer_words"]
NAMES: list[str] = _READ["names"]
ANIMALS: list[str] = _READ["animals"]
LANDS: list[str] = _READ["lands"]
CITIES: list[str] = _READ["cities"]
BEASTS: list[str] = _READ["beasts"]
COLOURS: list[str] = _READ["colours"]

MOODS: list[str] = _READ["moods"]
SPEAKERS: list[str] = _READ["speakers"]
SAYINGS: list[str] = _READ["sayings"]
NICE_REMARKS: list[str] = _READ["nice_remarks"]
