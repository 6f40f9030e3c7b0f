"""What `safegrid study` (behind `make study`) tells its user."""

import re

import pytest

from safegrid.study import gathered

WHERE = re.compile(
    r"^tables: +(\S+)/\nfigures: +(\S+)/\nreport: +(\S+/report\.html)\n", re.MULTILINE
)


def test_a_first_run_begins_with_what_it_will_take(finished):
    estimate = finished.first_run.splitlines()[0]
    assert re.match(
        r"study tiny: \d+ jobs, about \d+ min on 2 cores and \d+ MB of disk", estimate
    )


def test_a_run_ends_with_where_everything_lies(finished):
    tables, figures, report = WHERE.search(finished.first_run).groups()
    assert (finished.folder / tables / "main.md").is_file()
    assert (finished.folder / figures / "figure_1.svg").is_file()
    assert (finished.folder / report).is_file()


def test_a_second_run_has_nothing_to_do_and_says_so(finished):
    scores = finished.folder / "results/tiny/scores.parquet"
    before = scores.stat().st_mtime_ns
    text = finished.call(*finished.study_command)
    assert text.startswith("study tiny: nothing to do")
    assert WHERE.search(text)
    assert scores.stat().st_mtime_ns == before


def spoil(study):
    study["recipes"]["dpo"]["method"] = "dbo"
    study["benchmarks"]["alert"]["judges"] = ["tiny-gard"]
    study["benchmarks"]["xstets"] = study["benchmarks"].pop("xstest")


@pytest.mark.parametrize("command", ["snakemake", "study"])
def test_a_misspelt_study_is_one_message_before_any_job(finished, command):
    plain = command == "snakemake"
    command = finished.snakemake() if plain else finished.study_command
    with finished.with_study(spoil):
        done = finished.run(*command)
    assert done.returncode == 1
    for meant in ("dpo", "tiny-guard", "xstest"):
        assert done.stdout.count(f"did you mean '{meant}'?") == 1
    assert "Traceback" not in done.stdout
    assert "rule " not in done.stdout


def test_a_finished_study_stands_done_cell_by_cell(finished):
    said = finished.call(*finished.safegrid("status", "--study", "tiny"))
    cells = len(gathered.all_scores(finished.study))
    assert f"study tiny: {cells} done\n" in said
    assert len(said.splitlines()) == 2 + len(finished.study.models)
