"""What the documents name exists, and the examples in them are valid."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from safegrid.commands import COMMANDS
from safegrid.config.documents import merge
from safegrid.config.load import load_config
from safegrid.config.methods import METHODS, Method
from safegrid.core.records import SCORE
from safegrid.report.names import METRICS
from safegrid.report.readme import FIGURE, TABLE
from safegrid.score import degenerate, intervals
from safegrid.study.selection import FORCE, OPTIONS

ROOT = Path(__file__).parents[3]
README, STATISTICS = ROOT / "README.md", ROOT / "docs/statistics.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config/README.md"])
TOP = {"src", "config", "rules", "docs", "tests", "notebooks", "profiles", "envs"}
# What a run makes and a person commits, with the make target that makes it.
MADE_BY = {"docs/figures/": "readme", "docs/bench": "bench"}
OPTIONS_OF_CONFIG = {"sources_dir", "gpu", *OPTIONS, FORCE}
# Files that the examples of the pages make.
EXAMPLES = {"config/tuned", "config/tuned/pilot.yaml", "config/labels/mini.csv"}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "".join(TEXT.values())


def ids(page):
    return str(page.relative_to(ROOT))


def prose(page):
    return FENCE.sub("", TEXT[page])


def fences(page, *languages):
    found = FENCE.findall(TEXT[page])
    return [text for language, text in found if language in languages]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


def make_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def rules():
    files = [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    plain = re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)
    return {*plain, *re.findall(r"^use rule \w+ as (\w+) with:", text, re.MULTILINE)}


def command_lines():
    for page in PAGES:
        for block in fences(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                yield ids(page), line.partition("#")[0].split()


def exists(path):
    if path in MADE_BY:
        return (ROOT / path).exists() or MADE_BY[path] in make_targets()
    return path in EXAMPLES or (ROOT / path).exists()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert exists(str(target.relative_to(ROOT))), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_paths_exist(page):
    for code in CODE.findall(prose(page)):
        path = code.rstrip("/")
        if path.split("/")[0] in TOP and not re.search(r"[{}<>*\s]", path):
            assert exists(path), code


def test_the_tree_names_every_folder_and_what_is_there():
    block = TEXT[README].split("<!-- tree:begin -->")[1].split("<!-- tree:end -->")[0]
    named = re.findall(r"^(\S+)  +\S", block, re.MULTILINE)
    assert [path for path in named if not exists(path)] == []
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {path.split("/")[0] for path in listed.stdout.split() if "/" in path}
    assert folders <= {path.split("/")[0] for path in named}


def test_the_readme_stays_short():
    assert len(TEXT[README].splitlines()) <= 220
    assert len(TEXT[README].split()) <= 2000


def test_named_make_targets_exist():
    named = set(re.findall(r"`make ([a-z-]+)", ALL))
    named |= {line[1] for _, line in command_lines() if line[:1] == ["make"]}
    assert named >= {"study", "test", "check", "bench", "readme"}
    assert named <= make_targets()


def test_named_targets_of_snakemake_exist():
    options = {"--cores", "--config", "-n", "--quiet", "--force", "--unlock"}
    options |= {"--", "--profile"}
    seen = set()
    for page, line in command_lines():
        if line[:1] != ["snakemake"]:
            continue
        rest = iter(line[1:])
        for word in rest:
            if word in ("--cores", "--config", "--quiet", "--profile"):
                next(rest)
            elif word.startswith("-"):
                assert word in options, f"{page}: {word}"
            elif "=" in word:  # a further value of --config
                assert word.partition("=")[0] in OPTIONS_OF_CONFIG, f"{page}: {word}"
            elif "/" in word:
                assert word.startswith("results/"), f"{page}: {word}"
            else:
                seen.add(word)
    words = " ".join(TEXT[ROOT / "docs/run_a_study.md"].split())
    named = re.search(r"Named targets stop earlier: (.*?)\.", words)
    assert named is not None
    listed = set(CODE.findall(named[1]))
    assert listed >= {"prepare_data", "train_all", "generate_all", "judge_all"}
    assert listed >= {"tables", "figures", "report"}
    assert seen | listed <= rules()


def test_named_subcommands_exist():
    lines = (line for _, line in command_lines() if line[:1] == ["safegrid"])
    named = {*re.findall(r"`safegrid ([\w-]+)", ALL), *(line[1] for line in lines)}
    assert named
    assert named <= set(COMMANDS)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if "# add to config" in TEXT[p]], ids=ids
)
def test_examples_are_valid(page, tmp_path, monkeypatch):
    """The YAML of a page, put where its first line says, makes valid studies."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for block in fences(page, "python"):
        if block.startswith("Method("):
            method = eval(block, {"Method": Method})
            monkeypatch.setitem(METHODS, method.name, method)
    for block in fences(page, "yaml"):
        place = block.splitlines()[0].removeprefix("# ").removeprefix("add to ")
        assert place.startswith("config/"), f"say where this goes: {block}"
        put(tmp_path / place, block)
    studies = {path.stem for path in (tmp_path / "config/studies").glob("*.yaml")}
    assert studies
    for study in studies:
        load_config(tmp_path / "config", study)


def put(path, block):
    """Write an example's file, or merge it into the file that is there."""
    given = yaml.safe_load(block)
    old = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(yaml.safe_dump(merge(old, given), sort_keys=False), "utf-8")


def test_every_metric_and_column_is_explained():
    explained = set(CODE.findall(TEXT[STATISTICS]))
    assert set(METRICS) <= explained
    assert set(SCORE) <= explained


def test_constants_in_the_page_are_those_of_the_code():
    text = " ".join(TEXT[STATISTICS].split())
    sentences = [
        f"{intervals.RESAMPLES:,} resamples",
        f"All intervals are {intervals.LEVEL:.0%}",
        f"from {degenerate.LEAST_WORDS} words on",
        f"stands {degenerate.WORD_RUN} times in a row",
        f"at least {degenerate.CHARACTER_RUN} characters in all",
    ]
    assert [s for s in sentences if s not in text] == []
    assert degenerate.LEAST_DISTINCT == 0.5


def test_pages_show_tables_that_were_filled_and_figures_that_are_there():
    tables, figures = [*TABLE.finditer(ALL)], [*FIGURE.finditer(ALL)]
    assert len(tables) == ALL.count("<!-- table:begin")
    assert {mark["study"] for mark in tables} == {mark["study"] for mark in figures}
    assert [mark["name"] for mark in tables if "| --- |" not in mark[0]] == []
    shown = {f"docs/figures/{mark['study']}/{mark['name']}" for mark in figures}
    there = {str(p.relative_to(ROOT)) for p in ROOT.glob("docs/figures/*/*")}
    assert there == shown


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_nothing_of_a_machine_is_named(page):
    assert not re.search(r"(?<![\w.])/(work|home|root|tmp|Users)/", TEXT[page])
