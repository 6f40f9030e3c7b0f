"""Pages show the tables and figures of studies, each its own."""

import pytest

from safegrid.core.errors import DataError
from safegrid.report.readme import update_readme

README = """# Title
![a](docs/figures/one/curve.png)
<!-- table:begin one/summary -->
old
<!-- table:end -->
<!-- table:begin two/summary -->
of two
<!-- table:end -->
"""
PAGE = """![b](figures/one/line.png)
<!-- table:begin one/bought -->
<!-- table:end -->
"""
TABLES, FIGURES = "results/one/tables", "results/one/figures"


@pytest.fixture
def root(tmp_path):
    for folder in ("docs", TABLES, FIGURES):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "docs/page.md").write_text(PAGE)
    for name in ("summary", "bought", "unshown"):
        (tmp_path / TABLES / f"{name}.md").write_text(f"table \\1 {name}\n\n")
    for name in ("curve", "line", "unshown"):
        (tmp_path / FIGURES / f"{name}.png").write_bytes(name.encode())
    return tmp_path


def test_every_page_gets_what_it_shows_of_the_study_and_keeps_the_rest(root):
    update_readme("one", root)
    expected = README.replace("old", "table \\1 summary")
    assert (root / "README.md").read_text() == expected
    begin = "<!-- table:begin one/bought -->\n"
    expected = PAGE.replace(begin, f"{begin}table \\1 bought\n")
    assert (root / "docs/page.md").read_text() == expected
    copied = {p.name: p.read_bytes() for p in (root / "docs/figures/one").iterdir()}
    assert copied == {"curve.png": b"curve", "line.png": b"line"}


def test_what_is_not_there_yet_is_named_and_no_page_is_touched(root):
    (root / TABLES / "bought.md").unlink()
    (root / FIGURES / "line.png").unlink()
    with pytest.raises(DataError, match=r"bought\.md, .*line\.png: not there yet"):
        update_readme("one", root)
    assert (root / "README.md").read_text() == README
    assert not (root / "docs/figures").exists()


def test_a_study_that_no_page_shows_is_refused(root):
    with pytest.raises(DataError, match=r"neither README.md nor a page .* 'three'"):
        update_readme("three", root)


def test_named_columns_stand_alone_without_notes(root):
    page = root / "docs/page.md"
    mark = "<!-- table:begin one/bought: c; b -->\n"
    page.write_text(f"{mark}<!-- table:end -->")
    whole = "**T.**\n\n| a | b | c |\n| --- | ---: | ---: |\n| 1 | 2 | 3 |\n\nNote.\n"
    (root / TABLES / "bought.md").write_text(whole)
    update_readme("one", root)
    cut = "**T.**\n\n| a | c | b |\n| --- | ---: | ---: |\n| 1 | 3 | 2 |\n"
    assert page.read_text() == f"{mark}{cut}<!-- table:end -->"
    page.write_text(f"{mark.replace('; b', '; d')}<!-- table:end -->")
    with pytest.raises(DataError, match="has no column d"):
        update_readme("one", root)
