"""Wildcards are texts; a study is asked by names and numbers, models and cells."""

import inspect
from types import SimpleNamespace

from safegrid.study.grid import Cell, Model
from safegrid.study.wildcards import of, of_cell, of_model, of_study

JOB = SimpleNamespace(base="b", recipe="dpo", seed="3", benchmark="alert", judge="j")


def asked(*values):
    return values


def test_wildcards_are_handed_over_in_the_order_that_the_rule_names():
    assert of(asked, "judge", "base")(JOB) == ("j", "b")
    assert of(asked, "base", "judge")(JOB) == ("b", "j")


def test_a_seed_is_a_number_alone_and_in_a_model():
    model = Model("b", "dpo", 3)
    assert of(asked, "seed")(JOB) == (3,)
    assert of_model(asked)(JOB) == (model,)
    assert of_cell(asked)(JOB) == (Cell(model, "alert"),)


def test_a_question_to_the_whole_study_needs_no_wildcard():
    assert of_study(asked)(SimpleNamespace()) == ()


def test_snakemake_sees_functions_of_wildcards_alone():
    # It hands over whatever else a parameter is called after, as `input` or `output`.
    for function in (of(asked, "base"), of_model(asked), of_cell(asked)):
        assert list(inspect.signature(function).parameters) == ["wildcards"]


def test_nothing_is_asked_while_rules_are_read():
    calls = []
    function = of_study(lambda: calls.append("asked"))
    assert calls == []
    function(JOB)
    assert calls == ["asked"]
