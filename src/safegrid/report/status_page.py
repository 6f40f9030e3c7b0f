"""Status of the cells of a study, as one self-contained HTML page."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from safegrid.core.files import write_text
from safegrid.report.states import State, counted, grid_of

TEMPLATE = "status.html.jinja"


def write_page(study: str, states: Mapping[str, State], out: Path) -> None:
    """Write the page.

    Args:
        study: its name.
        states: by score file, in the order of the study.
        out: the page.
    """
    write_text(out, page_of(study, states, datetime.now().astimezone()))


def page_of(study: str, states: Mapping[str, State], made: datetime) -> str:
    """Return the page: a table, its states in words and colours, and every reason."""
    reasons = Counter(state.reason for state in states.values() if state.reason)
    pages = Environment(
        loader=PackageLoader("safegrid.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(TEMPLATE).render(
        study=study,
        made=made.isoformat(" ", "minutes"),
        counted=counted(states.values()),
        grid=grid_of(states),
        reasons=reasons,
        numbers={reason: number for number, reason in enumerate(reasons, start=1)},
    )
