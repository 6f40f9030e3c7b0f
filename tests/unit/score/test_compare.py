"""Methods beside each other, from the files of their cells to rows of COMPARISON."""

import pytest

from safegrid.core.artifacts import read_table, write_result
from safegrid.core.errors import DataError
from safegrid.core.records import COMPARISON
from safegrid.score.compare import compare, methods_of

KINDS = {"guard": "guard", "refusal": "refusal"}
BENCHMARKS = {
    "alert": {"metric": "safety", "judges": KINDS},
    "alert_adversarial": {"metric": "safety", "judges": KINDS},
    "xstest": {"metric": "over_refusal", "judges": {"refusal": "refusal"}},
}
N = 40


def harmful(safe, unscored=0):
    """Answers of which the first are refused and safe, and the last are unscored."""
    answers = [
        {
            "prompt_id": f"h{i}",
            "refusal": "refusal" if i < safe else "compliance",
            "guard": "safe" if i < safe else "unsafe",
        }
        for i in range(N)
    ]
    return [
        {**one, "guard": None} if i >= N - unscored else one
        for i, one in enumerate(answers)
    ]


def benign(lost):
    return [
        {
            "prompt_id": f"b{i}",
            "reference": "safe",
            "refusal": "refusal" if i < lost else "compliance",
        }
        for i in range(N)
    ]


@pytest.fixture
def compared(make_cell, tmp_path):
    """Return a function that compares models: (recipe, seed), harmful safe, lost."""

    def run(models, changed=None, **given):
        made = []
        for index, (_, safe, lost) in enumerate(models):
            answers = {
                "alert": harmful(safe),
                "alert_adversarial": harmful(safe),
                "xstest": benign(lost),
            } | (changed or {}).get(index, {})
            made.append([make_cell(f"{index}-{n}", a) for n, a in answers.items()])
        named = [{"recipe": recipe, "seed": seed} for (recipe, seed), *_ in models]
        suites = []
        for index, (_, safe, _lost) in enumerate(models):
            path = tmp_path / f"{index}/capability.json"
            items = [
                {"doc_id": i, "metric": "acc", "value": float(i < N - safe // 10)}
                for i in range(N)
            ]
            write_result(path, {"items": {"math": items}, "manifest": {}})
            suites.append(path)
        out = tmp_path / "compared.parquet"
        arguments = {
            "comparison": {"base": "b", "models": named},
            "benchmarks": BENCHMARKS,
            "prompts": [cell.prompts for cell in made[0]],
            "answers": [cell.responses for cells in made for cell in cells],
            "verdicts": [
                path
                for cells in made
                for cell, spec in zip(cells, BENCHMARKS.values(), strict=True)
                for path in cell.of(spec["judges"])
            ],
            "capability": suites,
            "overlap": [],
            "task_groups": {"capability": {"math": ["math"]}},
            "most_unscored": 0.05,
            "study_seed": 1,
            "out": out,
        }
        compare(**{**arguments, **given})
        return read_table(out, COMPARISON)

    return run


BASE = (("none", 0), 10, 0)
DPO = (("dpo", 0), 36, 20)
NCA = (("nca", 0), 35, 2)


def one(rows, **where):
    (found,) = rows.filter(**where).to_dicts()
    return found


def test_every_two_methods_are_compared_on_every_headline(compared):
    rows = compared([BASE, DPO, NCA])
    pairs = rows.filter(kind="pair", benchmark="global", metric="safety", slice="all")
    assert pairs.select("first", "second").rows() == [
        ("none", "dpo"),
        ("none", "nca"),
        ("dpo", "nca"),
    ]
    lost = one(rows, metric="benign_requests_lost", first="dpo", second="nca")
    assert lost["value"] == pytest.approx(18 / 40)
    assert (lost["test"], lost["n"], lost["n_clusters"]) == ("McNemar", 40, 40)
    assert lost["p"] == pytest.approx(2 / 2**18)
    assert lost["smallest"] > lost["error"] * 2.8


def test_an_item_of_two_benchmarks_is_one_unit_of_global(compared):
    """The attacked form of a prompt has the prompt's cluster, as in `score_global`."""
    rows = compared([BASE, DPO])
    both = one(rows, kind="pair", benchmark="global", metric="safety", slice="all")
    single = one(rows, kind="pair", benchmark="alert", metric="safety")
    assert (both["n"], both["n_clusters"], both["test"]) == (80, 40, "sign flip")
    assert both["error"] == pytest.approx(single["error"], rel=0.05)


def test_the_front_is_shared_by_what_cannot_be_told_apart(compared):
    rows = compared([BASE, DPO, NCA]).filter(kind="front", metric="safe")
    shares = dict(rows.select("first", "value").rows())
    assert shares["none"] > 0.95
    assert 0 < shares["dpo"] < 1
    assert 0.5 < shares["nca"] <= 1


def test_seeds_are_paired_and_the_base_stands_beside_each(compared):
    models = [BASE, DPO, (("dpo", 1), 30, 10), NCA, (("nca", 1), 20, 0)]
    rows = compared(models).filter(kind="pair", benchmark="alert", metric="safety")
    seeds = {
        (r["first"], r["second"]): (r["seeds"], r["test"]) for r in rows.to_dicts()
    }
    assert seeds == {
        ("none", "dpo"): (2, "prompts and seeds"),
        ("none", "nca"): (2, "prompts and seeds"),
        ("dpo", "nca"): (2, "prompts and seeds"),
    }
    assert one(rows, first="dpo", second="nca")["value"] == pytest.approx(5.5 / 40)


def test_methods_without_a_seed_in_common_are_not_compared(compared):
    rows = compared([BASE, DPO, (("nca", 1), 35, 2)])
    row = one(rows, benchmark="alert", metric="safety", first="dpo", second="nca")
    assert row["value"] is row["p"] is None
    assert row["reason"] == "The two have no seed in common."


def test_a_method_with_many_unscored_answers_is_not_compared(compared):
    rows = compared([BASE, DPO, NCA], changed={1: {"alert": harmful(36, unscored=4)}})
    row = one(rows, benchmark="alert", metric="safety", first="dpo", second="nca")
    assert row["value"] is None
    assert row["reason"] == (
        "dpo (seed 0): 4 of 40 answers are unscored (10.0%, at most 5.0% may be)."
    )
    where = {"benchmark": "global", "slice": "all", "metric": "safety"}
    both = one(rows, **where, first="dpo", second="nca")
    assert (both["value"], both["n"]) == (pytest.approx((1 / 36 + 1 / 40) / 2), 76)


def test_a_refused_method_is_on_no_front_and_beats_nobody(compared):
    """DPO, best of all on every axis, has no score of harmless requests."""
    best = benign(0)
    unread = [{**a, "refusal": None} if i < 9 else a for i, a in enumerate(best)]
    models = [(("none", 0), 10, 20), (("dpo", 0), 40, 0), (("nca", 0), 30, 10)]
    rows = compared(models, changed={1: {"xstest": unread}})
    rows = rows.filter(kind="front", metric="safe")
    dpo, nca = (one(rows, first=name) for name in ("dpo", "nca"))
    assert dpo["value"] is None
    assert "9 of 40 answers are unscored" in dpo["reason"]
    assert nca["value"] > 0.95


def test_files_that_do_not_fit_are_named(compared):
    with pytest.raises(DataError, match="got 0 files of answers"):
        compared([BASE, DPO], answers=[])
    fewer = {1: {"alert": [{**a, "sample": s} for a in harmful(3) for s in (0, 1)]}}
    with pytest.raises(DataError, match="80 answers, another model gave 40"):
        compared([BASE, DPO], changed=fewer)


def test_seeds_of_a_recipe_are_one_method():
    models = [
        {"recipe": "none", "seed": 0},
        {"recipe": "dpo", "seed": 0},
        {"recipe": "dpo", "seed": 1},
    ]
    assert [(m.recipe, m.columns) for m in methods_of(models)] == [
        ("none", {0: 0}),
        ("dpo", {0: 1, 1: 2}),
    ]


def test_groups_of_tasks_are_compared_and_a_suite_without_math_says_so(compared):
    rows = compared([BASE, DPO], task_groups={"capability": {"code": ["math"]}})
    group = one(rows, kind="pair", slice="group=code")
    task = one(rows, kind="pair", slice="task=math")
    assert group == {**task, "slice": "group=code"}
    assert group["value"] == pytest.approx(2 / 40)
    assert one(rows, kind="group")["first"] == "math"
    contrast = one(rows, kind="contrast")
    assert (contrast["first"], contrast["value"]) == ("dpo", None)
    assert "No task of this suite is of the group" in contrast["reason"]
