"""`make readme`: put a study's own tables and figures where pages show them.

A page shows a table between `<!-- table:begin STUDY/NAME -->` and `<!-- table:end -->`,
and a figure by the address of its copy, `docs/figures/STUDY/NAME.png`. Columns that are
named behind it, `STUDY/NAME: COLUMN; COLUMN`, are shown alone, without the notes below.
"""

import re
import shutil
from pathlib import Path

from safegrid.config.block import Name
from safegrid.core.errors import DataError
from safegrid.core.files import write_text

TABLE = re.compile(
    r"(?P<begin><!-- table:begin (?P<study>[^/\s]+)/(?P<name>[^:\s]+)"
    r"(?:: (?P<columns>[^\n]+?))? -->\n)"
    r".*?(?P<end><!-- table:end -->)",
    re.DOTALL,
)
FIGURE = re.compile(r"\((?:docs/)?figures/(?P<study>[^/\s]+)/(?P<name>[^/\s]+\.png)\)")


def update_readme(study: Name, root: Path = Path()) -> None:
    """Replace a study's tables and figures on README.md and the pages of docs/.

    Args:
        study: finished; others are left as they are.
        root: the folder of the repository.

    Raises:
        DataError: no page shows anything of the study, or it has not yet what is shown,
            or a table has no such column.
    """
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    whole, results = "".join(texts.values()), root / "results" / study
    tables = {n: results / f"tables/{n}.md" for n in _shown(TABLE, study, whole)}
    figures = [results / "figures" / name for name in _shown(FIGURE, study, whole)]
    if not tables and not figures:
        raise DataError(f"neither README.md nor a page of docs/ shows study {study!r}")
    every = (*tables.values(), *figures)
    if missing := [str(path) for path in every if not path.is_file()]:
        raise DataError(
            f"{', '.join(missing)}: not there yet; `make study STUDY={study}` makes it"
        )
    found = {n: path.read_text(encoding="utf-8").strip() for n, path in tables.items()}
    for page, text in texts.items():
        write_text(page, TABLE.sub(lambda mark: _filled(mark, study, found), text))
    copies = root / "docs/figures" / study
    copies.mkdir(parents=True, exist_ok=True)
    for path in figures:
        shutil.copyfile(path, copies / path.name)


def _shown(mark: re.Pattern[str], study: str, text: str) -> list[str]:
    found = mark.finditer(text)
    return sorted({one["name"] for one in found if one["study"] == study})


def _filled(mark: re.Match[str], study: str, tables: dict[str, str]) -> str:
    if mark["study"] != study:
        return mark[0]
    table = tables[mark["name"]]
    if mark["columns"]:
        table = _cut(table, mark["columns"].split("; "))
    return f"{mark['begin']}{table}\n{mark['end']}"


def _cut(table: str, columns: list[str]) -> str:
    """Return a table's title, its first column and those that are named."""
    lines = table.splitlines()
    rows = [line[2:-2].split(" | ") for line in lines if line.startswith("| ")]
    if missing := [name for name in columns if name not in rows[0]]:
        raise DataError(f"{lines[0]} has no column {', '.join(missing)}")
    places = [0, *(rows[0].index(name) for name in columns)]
    kept = ["| " + " | ".join(row[i] for i in places) + " |" for row in rows]
    return "\n".join([lines[0], "", *kept])
