"""`make readme`: put a run's own table and plot where the README shows them."""

import re
import shutil
from pathlib import Path

from safegrid.errors import DataError
from safegrid.files import write_text

TABLE = re.compile(r"(<!-- table:begin -->\n).*?(<!-- table:end -->)", re.DOTALL)
PLOT = Path("docs/trade_off.png")


def update_readme(study: str, readme: Path = Path("README.md")) -> None:
    """Replace the README's table and plot by those of a finished study.

    Args:
        study: whose tables and figures.
        readme: the page; holds the table between two marks.

    Raises:
        DataError: the study has no table and figure yet, or the page no marks.
    """
    table = Path(f"results/{study}/tables/summary.md")
    plot = Path(f"results/{study}/figures/trade_off_capability.png")
    missing = [str(path) for path in (table, plot) if not path.is_file()]
    if missing:
        raise DataError(
            f"{', '.join(missing)}: not there yet; `make study STUDY={study}` makes it"
        )
    text = readme.read_text(encoding="utf-8")
    rows = table.read_text(encoding="utf-8").strip()
    if not TABLE.search(text):
        raise DataError(f"{readme}: has no `table:begin` and `table:end` marks")
    write_text(
        readme,
        TABLE.sub(lambda found: f"{found[1]}{rows}\n{found[2]}", text),
    )
    shutil.copyfile(plot, PLOT)
