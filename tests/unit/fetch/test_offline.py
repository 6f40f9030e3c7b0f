"""No job asks the hub but those that fetch, whatever the user's environment says."""

import re
from pathlib import Path

from safegrid.runtime.runs import announce
from safegrid.workflow.study import FETCHING

ROOT = Path(__file__).parents[3]
RULE = re.compile(r"^(?:use )?rule (\w+)(?: as (\w+) with)?:", re.MULTILINE)
SWITCH = "HF_HUB_OFFLINE"


def rules() -> dict[str, str]:
    """Return every rule's own text; one that uses another has its shell too."""
    texts: dict[str, str] = {}
    for path in [ROOT / "Snakefile", *sorted(ROOT.glob("rules/*.smk"))]:
        text = path.read_text(encoding="utf-8")
        starts = [*RULE.finditer(text)]
        bounds = [*(found.start() for found in starts), len(text)]
        for found, end in zip(starts, bounds[1:], strict=True):
            inherited = texts[found[1]] if found[2] else ""
            texts[found[2] or found[1]] = inherited + text[found.start() : end]
    return texts


def test_the_rules_that_fetch_are_the_ones_that_switch_the_hub_on() -> None:
    texts = rules()
    assert len(texts) > 30
    switched = {name for name, text in texts.items() if SWITCH in text}
    assert switched == FETCHING
    for name in FETCHING:
        (line,) = [t for t in texts[name].splitlines() if SWITCH in t]
        # For that one command, not for what a shell starts after it.
        assert line.strip().startswith(f"{SWITCH}=0 python -m safegrid fetch-")


def test_a_run_switches_the_hub_off_for_its_jobs(monkeypatch, tmp_path) -> None:
    for users in ("0", "1", None):
        if users is None:
            monkeypatch.delenv(SWITCH)
        else:
            monkeypatch.setenv(SWITCH, users)
        assert announce(tmp_path)[SWITCH] == "1"
