"""A report of a grid with holes: each blank says why."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from made_up_lines import SHARES, line
from safegrid.core.artifacts import manifest, write_table, write_text
from safegrid.core.errors import DataError
from safegrid.core.records import FRONTIER, RUNS, SCORE
from safegrid.report import partial
from safegrid.report.partial import PAPERS, partial_scores, write_partial
from safegrid.report.tables import main_table
from safegrid.report.writing import markdown
from safegrid.runtime.plans import read_plan
from safegrid.study.axes import AxisLine, AxisPoint

SAFETY = ["alert", "alert_adversarial", "global"]
BENCHMARKS = [*SAFETY, "toxicity", "xstest", "capability"]
ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "config/published/2409.07772.csv"
PAGES = ROOT / "rules/pages.yaml"
NO_AXES = {"scale": [], "data": []}
# Of a base that is not there yet, and of trainings that are not finished.
POINTS = [AxisPoint("mini-base", recipe, recipe) for recipe in ("dpo", "nca")]
AXES = {
    "scale": [AxisLine("size", "", "dpo", POINTS[:1])],
    "data": [AxisLine("composition", "mini-base", "dpo", POINTS)],
}


@pytest.fixture
def grid(scores, tmp_path, monkeypatch):
    """Score files of three models, in a working directory of their own."""
    monkeypatch.chdir(tmp_path)
    files = []
    for recipe in ("none", "dpo", "nca"):
        for benchmark in BENCHMARKS:
            rows = scores.filter(recipe=recipe, benchmark=benchmark)
            files.append(score_file(recipe, benchmark))
            write_table(files[-1], rows, SCORE, manifest("score", {}, {}))
    return files


def score_file(recipe, benchmark):
    return Path(f"results/mini/scores/mini-base/{recipe}/seed0/{benchmark}.parquet")


CHANGED = "Params have changed since last execution: Union of exclusive params: 1, 2"


def job(rule, output, *inputs, reason=CHANGED):
    """What a dry run prints of a job; its log lies under its output's name."""
    return (
        f"rule {rule}:\n    input: {', '.join(inputs)}\n    output: {output}\n"
        f"    log: logs/{output}.log\n    jobid: 3\n    reason: {reason}\n"
        "    resources: tmpdir=<TBD>\n\n"
    )


def planned(*jobs):
    """A plan as Snakemake prints it, read."""
    end = f"Job stats:\njob      count\n-----  -------\ntotal  {len(jobs):7d}\n"
    text = "".join(jobs) + end if jobs else "Nothing to be done (all files present).\n"
    write_text(Path("plan.txt"), text)
    return read_plan(Path("plan.txt"))


def stack(recipe, *benchmarks):
    """The jobs from a recipe's training to the scores of its cells."""
    model = f"results/mini/models/mini-base/{recipe}/seed0"
    jobs = [job("train", model, "results/mini/pairs/mini-base/safety.parquet")]
    by = "Input files updated by another job"
    for benchmark in benchmarks:
        answers = f"results/mini/responses/mini-base/{recipe}/seed0/{benchmark}.parquet"
        score = str(score_file(recipe, benchmark))
        jobs.append(job("generate", answers, "ids.parquet", model, reason=by))
        jobs.append(job("score", score, "prompts.parquet", answers, reason=by))
    return jobs


def drop(recipe, *benchmarks):
    for benchmark in benchmarks:
        score_file(recipe, benchmark).unlink()


def reasons(files, *jobs):
    return {
        cell.path: why for cell, why in partial_scores(files, planned(*jobs))[1].items()
    }


def test_a_missing_cell_is_blank_in_the_table_with_its_reason(grid):
    drop("nca", "alert", "global")
    jobs = stack("nca", "alert", "global")[1:]
    table, _ = partial_scores(grid, planned(*jobs))
    text = markdown(main_table(table))
    (row,) = [line for line in text.splitlines() if line.startswith("| NCA")]
    cells = [cell.strip() for cell in row.split("|")[2:]]
    assert cells[0] == cells[1] == cells[2] == "\N{EN DASH}"
    assert cells[3] != "\N{EN DASH}"
    assert "Missing: not built yet." in text
    # Of a model without any cell a row stays.
    drop("dpo", *BENCHMARKS)
    plan = planned(*jobs, *stack("dpo", *BENCHMARKS))
    table, blanks = partial_scores(grid, plan)
    assert main_table(table).rows == ["none", "DPO", "NCA"]
    assert len(blanks) == 2 + len(BENCHMARKS)


def test_a_damaged_cell_is_blank_and_whole_ones_are_not(grid):
    table, blanks = partial_scores(grid, planned())
    assert blanks == {}
    assert table["value"].null_count() == 0
    file = score_file("nca", "alert")
    file.write_bytes(file.read_bytes()[:-1])
    table, blanks = partial_scores(grid, planned())
    (reason,) = blanks.values()
    assert reason.startswith(f"Damaged: {file} is not as it was written")
    assert table.filter(recipe="nca", benchmark="alert")["value"].is_null().all()
    assert table.filter(recipe="dpo")["value"].null_count() == 0


def test_scores_of_a_recipe_that_was_changed_until_it_failed_are_blank(grid):
    """Its old answers and scores are all there and fit each other."""
    log = Path("logs/results/mini/models/mini-base/dpo/seed0.log")
    write_text(log, "x\nerror: loss is nan at step 3\n")
    found = reasons(grid, *stack("dpo", *BENCHMARKS))
    assert found == {
        f"mini-base/dpo/seed0/{benchmark}": (
            f"Failed in train: loss is nan at step 3 ({log})"
        )
        for benchmark in BENCHMARKS
    }


def test_the_first_failure_on_the_way_is_told_whatever_its_rule(grid):
    drop("nca", "xstest", "global")
    score = str(score_file("nca", "xstest"))
    both = str(score_file("nca", "global"))
    jobs = [
        job("prepare_prompts", "xstest.parquet", "raw.csv"),
        job("judge", "verdicts.parquet", "xstest.parquet"),
        job("score", score, "verdicts.parquet"),
        job("score_global", both, "verdicts.parquet"),
    ]
    write_text(Path("logs/verdicts.parquet.log"), "error: a later one\n")
    crash = "Traceback (most recent call last):\n  ...\nKeyError: 'a'\n"
    write_text(Path("logs/xstest.parquet.log"), crash)
    for reason in reasons(grid, *jobs).values():
        assert reason.startswith("Failed in prepare_prompts: KeyError: 'a'")


def test_the_log_of_a_job_that_is_not_planned_tells_nothing(grid):
    drop("dpo", "alert")
    log = Path("logs/results/mini/models/mini-base/dpo/seed0.log")
    write_text(log, "error: long ago\n")
    (reason,) = reasons(grid, *stack("dpo", "alert")[1:]).values()
    assert reason.startswith("Missing")


@pytest.mark.parametrize("text", ["MissingInputException in rule x", "", "total  2\n"])
def test_a_plan_that_is_none_is_refused(tmp_path, text):
    write_text(tmp_path / "plan.txt", text)
    with pytest.raises(DataError, match=r"plan.txt: expected the plan of a dry run"):
        read_plan(tmp_path / "plan.txt")


def test_nothing_finished_is_an_error_that_tells_the_first_reason(grid):
    drop("nca", "alert")
    missing = [score_file("nca", "alert")]
    with pytest.raises(DataError, match="none of the 1 cells is finished; first: Miss"):
        partial_scores(missing, planned(*stack("nca", "alert")))


def files(out):
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_everything_is_written_under_the_folder(grid, runs, tmp_path):
    drop("nca", "capability")
    planned(*stack("nca", "capability"))
    out = tmp_path / "partial"
    write_all(grid, runs, out, axes=AXES)
    assert "17 of 18 cells are finished" in (out / "blanks.md").read_text()
    assert pl.read_parquet(out / "scores.parquet")["value"].null_count() > 0
    pages = yaml.safe_load(PAGES.read_text(encoding="utf-8")).values()
    for page in (page for page in pages if page.get("folder") != "cost"):
        if page.get("paper", "2409.07772") == "2409.07772":
            made = {f"tables/{name}.md" for name in page.get("tables", [])}
            made |= {f"figures/{name}.svg" for name in page.get("figures", [])}
            # The made-up runs have none of these judges.
            lacks = {f"tables/{n}.md" for n in ("fluency", "left_out", "agreement")}
            assert made - lacks <= files(out)
    assert (
        "DPO: dpo (parameters): No config.json" in (out / "tables/scale.md").read_text()
    )


@pytest.fixture
def few_figures(monkeypatch):
    """Leave out most figures of every paper, which the test above has drawn."""
    for module in (partial.trade_off, partial.frontier):
        monkeypatch.setattr(module, "FIGURES", {})


@pytest.mark.slow
@pytest.mark.usefixtures("few_figures")
def test_a_line_that_is_not_drawn_yet_is_blank_with_its_reason(grid, runs, tmp_path):
    folder = Path("results/mini/frontier/mini-base")
    lines = [folder / f"{name}.parquet" for name in ("dpo", "nca")]
    made = line("dpo", SHARES["dpo"])
    write_table(lines[0], made, FRONTIER, manifest("frontier", {}, {}))
    planned(job("frontier", str(lines[1]), "verdicts.parquet"))
    out = tmp_path / "partial"
    write_all(grid, runs, out, lines=lines)
    table = (out / "tables/safety_bought.md").read_text()
    assert "| DPO | +" in table
    assert "| NCA | \N{EN DASH} |" in table
    assert "Missing: not built yet." in table


@pytest.mark.slow
@pytest.mark.usefixtures("few_figures")
@pytest.mark.parametrize("paper", ["2407.16637", "2412.00074"])
def test_another_papers_pages_without_tables_and_curves_that_no_run_has_told_yet(
    grid, runs, tmp_path, paper
):
    planned()
    out = tmp_path / "partial"
    published = PUBLISHED.with_name(f"{paper}.csv")
    write_all(grid, runs.filter(kind="rows"), out, published)
    tables, figures = PAPERS[paper]
    assert {"tables/rows.md", *(f"tables/{name}.md" for name in tables)} <= files(out)
    assert {f"figures/{name}.svg" for name in figures} <= files(out)
    assert not {"tables/published.md", "figures/figure_1.svg"} & files(out)
    assert not {"tables/judges.md", "figures/curves_loss.svg"} & files(out)


def write_all(grid, runs, out, published=PUBLISHED, lines=(), axes=NO_AXES):
    write_table(Path("runs.parquet"), runs, RUNS, manifest("collect", {}, {}))
    write_partial(
        study="s",
        scores=grid,
        runs=Path("runs.parquet"),
        lines=list(lines),
        comparisons=[],
        stress=[],
        derived=[],
        axes=axes,
        bases=[Path("results/bases/mini-base")],
        plan=Path("plan.txt"),
        published=published,
        out=out,
    )
