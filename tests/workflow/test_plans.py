"""Which jobs are planned when a cell is named or something is changed.

All of it are dry runs in one finished study: what was edited is put back.
"""

from collections import Counter

import pytest

from safegrid.study import gathered

# What gathers the cells follows whatever changes before it.
BESIDE = {"methods_beside", "transfer_of_capability"}
TABLES = {"write_tables", *BESIDE}
FIGURES = {"heat_maps", "trade_offs", "training_curves", "figure_1", *BESIDE}
FIGURES |= {"judges_stressed"}
LAST = {"report", "all"}
# Lines of trainings have files of their own, beside the table of all scores.
LINES = {"frontier", "frontier_figures"}
GATHERING = {
    "correct",
    "collect",
    *TABLES,
    *FIGURES,
    "frontier_figures",
    "status_page",
    *LAST,
}
# What follows the answers and verdicts of a model, beside its scores.
CELL_MANIFESTS = {"cell_manifest_answers", "cell_manifest_verdicts"}
COST = {"compare_costs"}
# Once for each judge that says a word of an answer.
STRESS = {"judge_stress": 3}

RAW = {"build_world"}
DATA = {*RAW, "prepare_dataset", "prepare_prompts", "overlap"}
TRAIN = {*RAW, "train_base", "prepare_dataset", "tokenize", "reference", "train"}
GENERATE = {*TRAIN, "prepare_prompts", "render", "generate", "capability"}
JUDGE = {*GENERATE, "train_judge", "judge", "validate_judge", "calibrate"}
JUDGE |= {"judge_stress"}
SCORES = {"score", "score_capability", "score_global"}
GATHERED = {"compare", "correct", "collect"}
# Pages of figures with tables.
TABLES_TOO = {"figure_1", "judges_stressed"}
UNTIL = {
    # It waits for no cell.
    "report_partial": set(),
    "prepare_data": DATA,
    "train_all": TRAIN,
    "generate_all": GENERATE,
    "judge_all": {*JUDGE} - {"capability"},
    "tables": {*DATA, *JUDGE, *SCORES, *LINES, *GATHERED, *TABLES, *TABLES_TOO},
    "figures": {*DATA, *JUDGE, *SCORES, *LINES, *GATHERED, *FIGURES},
}


def comment(text):
    return text + "\n# A comment of a test.\n"


def cells(plan):
    """The planned jobs that do not only gather what others made."""
    return [
        job
        for job in plan.jobs
        if job.rule not in GATHERING | GATHERED | COST | {*STRESS}
    ]


def one_model(study):
    """The jobs of one trained model, from its training to its scores."""
    prompted = study.prompted
    return {
        "train": 1,
        "generate": len(prompted),
        "capability": len(study.suites),
        "judge": sum(len(spec.judges) for spec in prompted.values()),
        "score": len(prompted),
        "score_capability": len(study.suites),
        "score_global": 1,
        "frontier": 1,
        **dict.fromkeys(CELL_MANIFESTS, 1),
    }


def with_gathering(*parts):
    """Add numbers of jobs up, with one of each gathering job."""
    return dict(sum(map(Counter, parts), Counter({*GATHERING, "compare"})))


def test_a_finished_study_has_nothing_to_do(finished):
    plan = finished.plan()
    assert plan.jobs == []
    assert "Nothing to be done" in plan.text


def test_a_cell_by_its_path_plans_its_own_stack(finished, tmp_path):
    cell = "results/tiny/verdicts/tiny-guard/tiny-base/nca/seed0/alert.parquet"
    plan = finished.plan(cell, workdir=tmp_path)
    stack = {*TRAIN, "prepare_prompts", "render", "generate", "train_judge", "judge"}
    assert plan.counts == dict.fromkeys(stack, 1)
    own = {"recipe": "nca", "benchmark": "alert"}
    own |= {"kind": "guard", "judge": "tiny-guard"}
    for job in plan.jobs:
        if job.rule != "reference":  # its values are the base's
            assert {**job.wildcards, **own}.items() >= job.wildcards.items()


def test_a_cell_by_name_is_its_answers_verdicts_and_scores(finished, tmp_path):
    options = ("recipe=nca", "benchmark=alert")
    counts = finished.plan("cell", workdir=tmp_path, options=options).counts
    judges = len(finished.study.config.benchmarks["alert"].judges)
    # Its scores are set against the base's answers and verdicts.
    assert counts["generate"] == 2
    assert counts["judge"] == 2 * judges
    assert counts["train"] == counts["score"] == counts["cell"] == 1
    assert not {"collect", "capability", "validate_judge"} & set(counts)


@pytest.mark.parametrize("target", UNTIL)
def test_a_named_target_stops_where_it_says(finished, tmp_path, target):
    plan = finished.plan(target, workdir=tmp_path)
    assert set(plan.counts) == {*UNTIL[target], target}
    assert plan.counts.get("train", 0) in (0, len(finished.study.trained))


def test_a_recipes_beta_replans_its_own_cells(finished):
    def change(study):
        study["recipes"]["nca"]["training"] = {"beta": 0.7}

    with finished.with_study(change):
        plan = finished.plan()
    assert plan.counts == with_gathering(one_model(finished.study), STRESS, COST)
    assert {job.wildcards["recipe"] for job in cells(plan)} == {"nca"}


def test_a_new_recipe_plans_its_own_cells(finished):
    def add(study):
        study["recipes"]["kto"] = {"method": "kto", "dataset": "safety"}

    with finished.with_study(add):
        plan = finished.plan()
        own = one_model(finished.study)
        expected = with_gathering(own, ["kto_reference"], STRESS, COST)
    assert plan.counts == expected
    own = [job for job in cells(plan) if job.rule != "kto_reference"]
    assert {job.wildcards["recipe"] for job in own} == {"kto"}


def test_checkpoints_plan_one_training_and_the_cells_of_each_model(finished):
    def keep(study):
        study["recipes"]["nca"]["training"] = {"checkpoints": [1, 3, 4]}

    with finished.with_study(keep):
        plan = finished.plan()
        named = finished.plan("cell", options=("recipe=nca@3", "benchmark=alert"))
        command = "snakemake --dry-run --config study=tiny --set-resources"
        profile = finished.run(*command.split(), "train:runtime=1234")
    once = {"train", "frontier"}
    asked = {r: n for r, n in one_model(finished.study).items() if r not in once}
    # One training, and one line from the start model through its checkpoints.
    own = {"train_at_1_3": 1, "frontier": 1}
    expected = with_gathering(asked, asked, asked, own, STRESS, COST)
    assert plan.counts == expected
    names = {"nca", "nca@1", "nca@3"}
    assert {job.wildcards["recipe"] for job in cells(plan)} == names
    assert named.counts["train_at_1_3"] == named.counts["generate"] == 1
    # What a profile says of `train` holds for the rule that trains and keeps models.
    assert profile.stdout.count(", runtime=1234") == 1


def test_a_new_benchmark_plans_its_own_cells(finished):
    def add(study):
        study["benchmarks"]["alert-dev"] = {
            "like": "alert",
            "prompts": {"source": "tiny-alert", "file": "dev"},
            "judges": ["tiny-guard", "tiny-fluency"],
        }

    with finished.with_study(add):
        plan = finished.plan()
    models = len(finished.study.models)
    assert plan.counts == with_gathering(
        {"prepare_prompts": 1, "render": 1, "overlap": 1},
        {"generate": models, "judge": 2 * models, "score": models},
        # Its metric is safety, so it is one of those that the global score averages.
        {"score_global": models},
        # Its guard judges more, and is the second judge of every training's line.
        {"frontier": len(gathered.all_lines(finished.study))},
        dict.fromkeys(CELL_MANIFESTS, models),
        {"judge_stress": 1},
        COST,
    )
    whole = {"overlap", "score_global", "frontier", *CELL_MANIFESTS}
    own = [job for job in cells(plan) if job.rule not in whole]
    assert {job.wildcards["benchmark"] for job in own} == {"alert-dev"}


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("src/safegrid/report/trade_off.py", {"trade_offs"}),
        ("src/safegrid/report/tables.py", {"write_tables", "methods_beside"}),
        ("src/safegrid/report/style.py", {*FIGURES, "frontier_figures"}),
        ("src/safegrid/report/lines.py", {"frontier_figures"}),
        ("src/safegrid/score/lines.py", LINES),
        ("notebooks/5_figure_1.ipynb", {"figure_1"}),
        ("src/safegrid/report/cost.py", COST),
        ("config/assumptions.yaml", COST),
        ("config/gpus.yaml", {*CELL_MANIFESTS, *COST}),
        ("src/safegrid/report/status.html.jinja", {"status_page"}),
        ("src/safegrid/score/collect.py", {"collect", *TABLES, *FIGURES}),
        ("src/safegrid/score/correct.py", {"correct", "collect", *TABLES, *FIGURES}),
        ("src/safegrid/score/compare.py", {"compare", *TABLES, "trade_offs"}),
        (
            "src/safegrid/score/capability.py",
            {"score_capability", "compare", *LINES, *GATHERING},
        ),
        ("src/safegrid/score/cell.py", {"score", "score_global", *GATHERING} - LINES),
        ("src/safegrid/score/summary.py", {*SCORES, "compare", *LINES, *GATHERING}),
    ],
)
def test_an_edit_of_cheap_code_reruns_what_it_computes(finished, file, rules):
    with finished.edited(file, comment):
        plan = finished.plan()
    assert set(plan.counts) == {*rules, *LAST}


def test_a_comment_in_dear_code_plans_nothing(finished):
    with (
        finished.edited("src/safegrid/train/run.py", comment),
        finished.edited("src/safegrid/engine/server.py", comment),
        finished.edited("src/safegrid/judge/guard.py", comment),
    ):
        assert finished.plan().jobs == []


def raised(stage):
    """Return an edit that raises a stage's number."""
    return lambda text: text.replace(f'"{stage}": ', f'"{stage}": 1')


def test_a_raised_number_reruns_its_stage_and_what_follows(finished):
    stages = "src/safegrid/core/stages.py"
    with finished.edited(stages, raised("validate_judge")):
        plan = finished.plan()
    # How good a judge is changes no cell, so neither how cells stand nor a line.
    untouched = {"status_page", "frontier_figures"}
    assert set(plan.counts) == {"validate_judge", *GATHERING} - untouched
    with finished.edited(stages, raised("train")):
        plan = finished.plan()
    after = {"train", "generate", "capability", "judge", "frontier", "compare"}
    after |= {*STRESS}
    assert set(plan.counts) == {*after, *SCORES, *CELL_MANIFESTS, *COST, *GATHERING}
    trained = {model.recipe for model in finished.study.trained}
    assert {job.wildcards["recipe"] for job in cells(plan)} == trained
