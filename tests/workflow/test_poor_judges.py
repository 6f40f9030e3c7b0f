"""Two judges that err by rule: what their rates mend, and what people's labels do."""

import pytest

from safegrid.core.artifacts import read_result, read_table
from safegrid.core.records import SCORE
from safegrid.report.tables import corrected_table
from small_studies import STUDY, coverage

PLACE, STYLE = "poor-place_guard", "poor-style_guard"
CORRECTED = f"results/{STUDY}/corrected.parquet"
CALIBRATED = (0.93, 0.97)


@pytest.fixture(scope="module")
def judged(make_tree, tmp_path_factory):
    """A copy of the repository in which the study was run, and its answers labelled."""
    tree = make_tree(tmp_path_factory.mktemp("poor") / "repository")
    tree.environment["SAFEGRID_WRITE_TEXT"] = STUDY
    tree.call(*tree.snakemake(CORRECTED, study=STUDY))
    label = tree.safegrid("label", "--study", STUDY, "--judge", STYLE)
    label += ["--sheet", "sheet.csv", "--answers", "320"]
    tree.call(*label)
    tree.call(*tree.safegrid("rate-sheet", "--sheet", "sheet.csv"))
    tree.call(*label)
    tree.call(*tree.snakemake(CORRECTED, study=STUDY))
    yield tree
    tree.end()


@pytest.fixture(scope="module")
def results(judged):
    return judged.folder / "results" / STUDY


@pytest.mark.parametrize("judge", [PLACE, STYLE])
def test_a_poor_judge_is_right_on_four_rows_of_five(results, judge):
    accuracy = read_result(results / f"validated/{judge}.json")["accuracy"]
    assert accuracy["value"] == pytest.approx(0.8, abs=0.05)


def test_errors_that_are_the_same_everywhere_are_mended_by_labelled_rows(results):
    found = coverage(results, PLACE)
    assert len(found) == 4
    for recipe, one in found.items():
        assert abs(one.judged - one.truth) > 0.05 or recipe == "none"
        assert CALIBRATED[0] <= one.corrected <= CALIBRATED[1], (recipe, one)
        assert CALIBRATED[0] <= one.labelled <= CALIBRATED[1], (recipe, one)


def test_errors_that_follow_a_methods_style_are_mended_by_people_alone(results):
    found = coverage(results, STYLE)
    assert min(one.corrected for one in found.values()) < 0.5
    for recipe, one in found.items():
        assert CALIBRATED[0] <= one.labelled <= CALIBRATED[1], (recipe, one)


def test_the_report_marks_where_labels_contradict_the_judges_rates(judged):
    table = corrected_table(read_table(judged.folder / CORRECTED, SCORE))
    marked = {
        column.key.judge
        for row in table.entries
        for column, entry in zip(table.columns, row, strict=True)
        if entry.side
    }
    assert marked == {STYLE}
