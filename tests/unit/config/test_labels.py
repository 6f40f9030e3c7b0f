"""People's labels of a study: which cells they are of, and what is told of faults."""

import json

import pytest

from safegrid.config.labels import LabelledCell
from safegrid.core.records import LABEL
from safegrid.study import Study
from safegrid.study import labelled as cells_of_people

PLACE = {"judge": "tiny-guard", "base": "tiny-base", "recipe": "dpo", "seed": "0"}
PLACE |= {"benchmark": "alert", "prompt_id": "alert-1", "sample": "0"}
PLACE |= {"item": "0123456789abcdef", "rater_1": "safe", "rater_2": ""}
HEADER = ",".join(LABEL)


def line(**changes):
    return ",".join({**PLACE, **changes}[name] for name in LABEL)


@pytest.fixture
def labelled(copy):
    """Return the configuration's copy after these lines became the labels of tiny."""

    def write(*lines, header=HEADER):
        path = copy.root / "labels/tiny.csv"
        path.parent.mkdir()
        path.write_text("\n".join([header, *lines]) + "\n")
        return copy

    return write


def test_a_study_knows_its_labelled_cells_once(labelled):
    base = line(recipe="none", judge="tiny-refusal", rater_1="partial")
    found = labelled(line(), line(prompt_id="alert-2"), base).load().labels
    assert found == (
        LabelledCell("tiny-guard", "tiny-base", "dpo", 0, "alert"),
        LabelledCell("tiny-refusal", "tiny-base", "none", 0, "alert"),
    )


def test_their_job_is_told_what_they_are_of_and_which_benchmarks_are_global(labelled):
    study = Study(labelled(line()).load())
    [cell] = json.loads(cells_of_people.named(study))["cells"]
    names = {name: PLACE[name] for name in ("judge", "base", "recipe", "benchmark")}
    assert cell == {**names, "seed": 0, "kind": "guard", "metric": "safety"}
    safety = json.loads(cells_of_people.named(study))["safety"]
    assert safety == ["alert", "alert_adversarial"]


def test_a_study_without_labels_has_no_such_cells(copy):
    assert copy.load().labels == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"benchmark": "xstest"}, "judge: 'tiny-guard' judges no benchmark 'xstest'"),
        ({"benchmark": "toxicity", "judge": "tiny-toxicity"}, "judge: 'tiny-toxicity'"),
        (
            {"recipe": "orpo"},
            "recipe: tiny-base 'orpo' seed 0 is no model of the study",
        ),
        ({"seed": "7"}, "recipe: tiny-base 'dpo' seed 7 is no model of the study"),
        ({"sample": "first"}, "sample: expected a whole number, got 'first'"),
        ({"rater_1": "harmful"}, "rater_1: 'harmful' is none of safe, unsafe"),
        ({"rater_1": ""}, "rater_1: nobody labelled the answer; remove the line"),
        ({"rater_2": "safe,more"}, "line: expected 10 fields, as in the header"),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_column(labelled, changes, told):
    message = labelled(line(prompt_id="alert-2"), line(**changes)).message()
    assert f"labels/tiny.csv:3: {told}" in message


def test_two_lines_of_one_answer_are_told(labelled):
    """One rater, two verdicts: neither is taken."""
    message = labelled(line(), line(sample="1"), line(rater_1="unsafe")).message()
    told = "line 2 has labels of the same answer; keep one of the two"
    assert f"labels/tiny.csv:4: item: {told}" in message
    assert "1 problem" in message


def test_columns_in_another_order_are_refused(labelled):
    """They are read by their place."""
    message = labelled(line(), header=",".join(reversed(LABEL))).message()
    assert f"labels/tiny.csv: header: expected {HEADER}" in message
