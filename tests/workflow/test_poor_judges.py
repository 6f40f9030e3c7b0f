"""Two judges that err by rule: what their rates mend, and what people's labels do."""

import pytest

from safegrid.core.artifacts import read_result, read_table
from safegrid.core.records import SCORE
from safegrid.report.corrected import corrected_table
from small_studies import STUDY, coverage

PLACE, STYLE = "poor-place_guard", "poor-style_guard"
CORRECTED = f"results/{STUDY}/corrected.parquet"
SCORES = f"results/{STUDY}/scores.parquet"


@pytest.fixture(scope="module")
def judged(make_tree, tmp_path_factory):
    """A copy of the repository in which the study was run, and its answers labelled."""
    tree = make_tree(tmp_path_factory.mktemp("poor") / "repository")
    tree.environment["SAFEGRID_WRITE_TEXT"] = STUDY
    tree.call(*tree.snakemake(CORRECTED, study=STUDY))
    for judge in (PLACE, STYLE):
        label = tree.safegrid("label", "--study", STUDY, "--judge", judge)
        label += ["--sheet", f"{judge}.csv", "--answers", "320"]
        tree.call(*label)
        tree.call(*tree.safegrid("rate-sheet", "--sheet", f"{judge}.csv"))
        tree.call(*label)
    tree.call(*tree.snakemake(SCORES, study=STUDY))
    yield tree
    tree.end()


@pytest.fixture(scope="module")
def results(judged):
    return judged.folder / "results" / STUDY


def calibrated(share, truth):
    """Whether 95% intervals hold; one that is cut at 0 has one side to miss on."""
    return 0.93 <= share <= (1 if truth == 0 else 0.97)


@pytest.mark.parametrize("judge", [PLACE, STYLE])
def test_a_poor_judge_is_right_on_four_rows_of_five(results, judge):
    accuracy = read_result(results / f"validated/{judge}.json")["accuracy"]
    assert accuracy["value"] == pytest.approx(0.8, abs=0.05)


def test_errors_that_are_the_same_everywhere_are_mended_by_labelled_rows(results):
    found = coverage(results, PLACE)
    assert sorted(found) == ["kto", "nca", "nca@3", "none"]
    for recipe, one in found.items():
        assert abs(one.judged - one.truth) > 0.05
        assert calibrated(one.corrected, one.truth), (recipe, one)
        assert calibrated(one.labelled, one.truth), (recipe, one)


def test_errors_that_follow_a_methods_style_are_mended_by_people_alone(results):
    found = coverage(results, STYLE)
    for recipe, one in found.items():
        assert one.corrected < 0.5, (recipe, one)
        assert calibrated(one.labelled, one.truth), (recipe, one)


def test_the_report_marks_where_labels_contradict_the_judges_rates(judged):
    table = corrected_table(read_table(judged.folder / SCORES, SCORE))
    sides = {
        judge: {
            entry.side
            for row in table.entries
            for column, entry in zip(table.columns, row, strict=True)
            if column.key.judge == judge and column.key.metric == "safety_labelled"
        }
        for judge in (PLACE, STYLE)
    }
    assert sides == {PLACE: {""}, STYLE: {"\N{UPWARDS ARROW}"}}
