"""Corrections later beside refusals at once, paired by request."""

import numpy as np
import pytest

from safegrid.core.records import Key
from safegrid.score.aligned import Files, read_aligned
from safegrid.score.families import MethodSeeds, family_rows
from safegrid.score.resamples import AxisPart
from safegrid.score.turns import later_corrections

from .conftest import CORRECTION

CORRECTED = Key("c2_eval", "judge", "correction", "all")
METHODS = [MethodSeeds("none", {0: 0}), MethodSeeds("dpo", {0: 1, 1: 2})]


def part(benchmark, values, requests):
    names = np.array([f"request {request}" for request in requests])
    return AxisPart(benchmark, np.array(values, dtype=float), names)


def rows_of(later, once):
    found = {CORRECTED: [later], CORRECTED._replace(benchmark="c2_eval_direct"): [once]}
    (family,) = later_corrections(found, METHODS)
    return list(family_rows(family, 0.05, 1))


def test_a_request_counts_once_with_the_share_of_its_answers():
    """Six requests of two lengths: all refused at once, half of the later ones.

    Of the 64 ways to flip six equal differences two are as extreme.
    """
    later = part("c2_eval", [[0, 0, 1], [1, 0, 1]] * 6, np.arange(12) // 2)
    once = part("c2_eval_direct", [[1, 1, 1]] * 6, range(6))
    base, dpo = rows_of(later, once)
    assert (base["first"], base["second"]) == ("none", "none")
    assert (base["value"], base["n"]) == (pytest.approx(-1 / 2), 6)
    assert base["p"] == pytest.approx(2 / 64)
    assert (dpo["value"], dpo["seeds"]) == (pytest.approx(-1 / 2), 2)
    assert dpo["test"] == "prompts and seeds"


def test_a_request_that_was_asked_in_one_way_only_is_left_out():
    nan = float("nan")
    later = part("c2_eval", [[1, 1, 1], [0, 0, 0], [nan, 0, 0]], [0, 1, 1])
    once = part("c2_eval_direct", [[0, 0, 0], [1, 1, 1]], [0, 2])
    base, _ = rows_of(later, once)
    assert (base["value"], base["n"]) == (1, 1)


def test_a_study_that_does_not_ask_without_a_prefill_has_no_such_rows():
    later = part("c2_eval", [[1, 1, 1]], [0])
    assert list(later_corrections({CORRECTED: [later]}, METHODS)) == []


def test_files_of_the_two_benchmarks_are_paired_by_request(make_cell):
    """Three requests; two of their six later answers are corrected, two at once."""

    def answers(labels):
        return [
            {"prompt_id": f"{n}-{k}", "cluster": f"request {n}", "category": f"k={k}"}
            | {"corrector": "corrected" if yes else "continued"}
            for n, own in enumerate(labels)
            for k, yes in enumerate(own)
        ]

    asked = {"c2_eval": [[1, 0], [1, 0], [0, 0]], "c2_eval_direct": [[1], [0], [1]]}
    made = [make_cell(name, answers(labels)) for name, labels in asked.items()]
    specs = {name: {"metric": "correction", "judges": CORRECTION} for name in asked}
    verdicts = [path for cell in made for path in cell.of(CORRECTION)]
    prompts, responses = zip(*((c.prompts, c.responses) for c in made), strict=True)
    files = Files(list(prompts), list(responses), verdicts, [], [])
    found = read_aligned(1, specs, files, lambda *_: True)
    (family,) = later_corrections(found, METHODS[:1])
    (row,) = family_rows(family, 0.05, 1)
    assert (row["benchmark"], row["judge"]) == ("c2_eval", "corrector")
    assert (row["value"], row["n"]) == (pytest.approx((-1 / 2 + 1 / 2 - 1) / 3), 3)
