"""Pairs that say themselves what is chosen: ALERT_DPO, safe_to_serve, your own csv.

Takes a file with the columns prompt, chosen and rejected, and category if it has one;
gives pairs. ALERT_DPO's prompts lose ALERT's wrapper.
"""

from pathlib import Path

from safegrid.config.source import Format
from safegrid.data.alert import unwrap
from safegrid.data.drops import Drops, unusable
from safegrid.data.rows import Pair
from safegrid.readers.formats import Row
from safegrid.readers.problems import Problems
from safegrid.readers.raw import Field, read_rows

FIELDS = {
    "prompt": Field(str),
    "chosen": Field(str, filled=False),
    "rejected": Field(str, filled=False),
}


def read(path: Path, form: Format, problems: Problems, drops: Drops) -> list[Pair]:
    """Read the file; what does not fit is noted in `problems`, no pair in `drops`."""
    pairs = []
    for row in read_rows(path, FIELDS, problems, optional=["category"]):
        reason = unusable(row.values["chosen"], row.values["rejected"])
        if reason is not None:
            drops.add(reason, row.line)
        elif (pair := _pair(row, form, problems)) is not None:
            pairs.append(pair)
    return pairs


def _pair(row: Row, form: Format, problems: Problems) -> Pair | None:
    values = row.values
    prompt, category = values["prompt"], values.get("category")
    if category is not None and not isinstance(category, str):
        problems.add(row.line, "field 'category' must be a text, or null")
        return None
    if form == "alert_dpo":
        prompt, _ = unwrap(prompt)
    if not prompt:
        problems.add(row.line, "field 'prompt' holds nothing but its wrapper")
        return None
    return Pair(
        row.line, prompt, values["chosen"], values["rejected"], category or None
    )
