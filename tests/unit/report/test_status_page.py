"""The page of the grid: words, counts and reasons, in one file."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from safegrid.report.status import STATES, State, page_of, write_finished

GENERATED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
WHY = "Failed in train: a <loss> is nan"


class Page(HTMLParser):
    """The text of each table cell by its class, all links, ids and addresses."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.ids, self.links, self.addresses, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append([found.get("class") or found.get("scope"), ""])
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.addresses += [found[k] for k in ("src", "srcset", "data") if k in found]

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            continue

    def handle_data(self, data):
        if {"th", "td"} & set(self.open):
            self.cells[-1][1] += data


@pytest.fixture
def states():
    def file(recipe, benchmark):
        return f"results/s/scores/b/{recipe}/seed0/{benchmark}.parquet"

    return {
        file("none", "alert"): State("done", 3),
        file("none", "xstest"): State("refused", 9, "Refused: 9 of 9"),
        file("nca", "alert"): State("failed", 0, WHY),
        file("nca", "xstest"): State("failed", 0, WHY),
        file("dpo", "alert"): State("missing"),
    }


def test_the_page_says_in_words_how_every_cell_stands(states):
    text = page_of("s", states, GENERATED)
    assert Page(text).cells == [
        ["col", "Model"],
        ["col", "alert"],
        ["col", "xstest"],
        ["row", "b/none/seed0"],
        ["done", "done3 unscored"],
        ["refused", "refused (1)9 unscored"],
        ["row", "b/nca/seed0"],
        ["failed", "failed (2)"],
        ["failed", "failed (2)"],
        ["row", "b/dpo/seed0"],
        ["missing", "missing"],
        ["none", "not in this study"],
    ]
    assert (
        "1 done, 2 failed, 1 missing, 1 refused. Made 2026-01-02 03:04+00:00." in text
    )


def test_a_reason_stands_once_and_its_cells_lead_to_it(states):
    text = page_of("s", states, GENERATED)
    assert text.count("a &lt;loss&gt; is nan (2 cells)</li>") == 1
    page = Page(text)
    assert {link.removeprefix("#") for link in page.links} == set(page.ids)


def test_the_page_needs_no_other_file_and_has_a_colour_for_every_word(states):
    text = page_of("s", states, GENERATED)
    assert Page(text).addresses == []
    for outside in ("http:", "https:", "url(", "@import", "<script"):
        assert outside not in text
    for word in STATES:
        assert f".{word} {{ background:" in text
        assert f'<dt class="{word}">{word}</dt>' in text


def test_the_reports_page_is_of_finished_scores(tmp_path, scores, monkeypatch):
    from safegrid.core.artifacts import manifest, write_table
    from safegrid.core.records import SCORE

    monkeypatch.chdir(tmp_path)
    file = Path("results/s/scores/b/nca/seed0/alert.parquet")
    rows = scores.filter(recipe="nca", benchmark="alert")
    write_table(file, rows, SCORE, manifest("score", {}, {}))
    write_finished("s", [file], tmp_path / "status.html")
    assert ["done", "done"] in Page((tmp_path / "status.html").read_text()).cells
