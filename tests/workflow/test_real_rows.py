"""Study `real-rows` on a slice of each real set, where a copy of them is at hand.

No assertion shows a text: the rows are harmful.
"""

import json
import os
from pathlib import Path

import polars as pl
import pytest
import yaml

from safegrid.core.records import PAIRS, RESPONSE, SCORE, VERDICT

ROOT = Path(__file__).parents[2]
RESULTS = "results/real-rows"
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
PROMPTS = 6
PAIRS_ASKED = 24
MODELS = ["none", "dpo"]
# What a whole set holds, counted by hand.
WHOLE = {"xstest": 450, "malicious": 100, "cona": 178, "toxicity": 500, "c2_eval": 500}
# Prompts that a row makes; C2-Eval asks each row with eight beginnings of its answer.
EACH = dict.fromkeys(WHOLE, 1) | {"c2_eval": 8}

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"no rows of the real sets in {SHARED}; set SAFEGRID_SHARED_DATA to a copy",
)


def shrink(study):
    """Take a slice of every set, and train one model for two steps.

    C2-Eval is asked in one of its forms; the others read the same rows.
    """
    study["datasets"]["preferences"]["limit"] = PAIRS_ASKED
    study["training"] |= {"max_steps": 2, "batch": 4, "per_device_train_batch_size": 4}
    del study["recipes"]["nca"]
    for name in ("c2_eval_closed", "c2_eval_direct"):
        del study["benchmarks"][name]
    for name, block in study["benchmarks"].items():
        if name == "capability":
            block |= {"tasks": ["real_gsm8k_zeroshot"], "limit": 2}
        else:
            block["prompts"]["limit"] = PROMPTS
            block["decode"] = {"max_new_tokens": 8}


def wither(worlds):
    """Train the world's models for a few steps only."""
    world = worlds["mixed"]
    world["text"]["files"] = [{"source": "alpaca-seeds", "file": "seeds"}]
    world["rows"] |= {"corpus": 400, "guard": 400, "toxicity_rows": 100}
    world["rows"]["correction"] = 100
    for grown in (world["base"], *world["judges"].values()):
        grown["steps"] = 8


@pytest.fixture(scope="module")
def tree(make_tree, tmp_path_factory):
    tree = make_tree(tmp_path_factory.mktemp("real") / "repository")
    tree.rewrite("config/studies/real-rows.yaml", shrink)
    tree.rewrite("config/worlds.yaml", wither)
    options = [f"sources_dir={SHARED}"]
    tree.call(*tree.snakemake(study="real-rows", options=options))
    yield tree
    tree.end()


def test_every_row_of_a_set_is_a_prompt_or_counted(tree):
    for name, rows in WHOLE.items():
        facts = tree.facts(f"{RESULTS}/prompts/{name}.parquet")
        assert facts["rows"] == PROMPTS * EACH[name]
        assert facts["dropped"] == {"over_limit": (rows - PROMPTS) * EACH[name]}


def test_every_prompt_has_an_answer_and_a_verdict_of_each_judge(tree):
    study = yaml.safe_load(tree.read("config/studies/real-rows.yaml"))
    for name in WHOLE:
        for recipe in MODELS:
            cell = f"mixed-base/{recipe}/seed0/{name}.parquet"
            answers = tree.table(f"{RESULTS}/responses/{cell}", RESPONSE)
            asked = PROMPTS * EACH[name]
            assert answers["prompt_id"].n_unique() == answers.height == asked
            for judge in study["benchmarks"][name]["judges"]:
                file = f"{RESULTS}/verdicts/{judge}/{cell}"
                verdicts = tree.table(file, VERDICT)
                assert set(verdicts["prompt_id"]) == set(answers["prompt_id"])


def test_every_pair_is_trained_on_or_counted(tree):
    facts = tree.facts(f"{RESULTS}/datasets/preferences.parquet")
    assert facts["rows"] + sum(facts["dropped"].values()) == 3457
    file = f"{RESULTS}/pairs/mixed-base/preferences.parquet"
    kept = tree.table(file, PAIRS).height
    assert kept + sum(tree.facts(file)["dropped"].values()) == PAIRS_ASKED


def test_the_scores_reach_tables_figures_and_report(tree):
    scores = tree.table(f"{RESULTS}/scores.parquet", SCORE)
    for metric, name in {"safety": "malicious", "correction": "c2_eval"}.items():
        whole = scores.filter(slice="all", metric=metric, benchmark=name)
        assert sorted(whole["recipe"]) == sorted(MODELS)
        assert (whole["n"] + whole["n_unscored"] == PROMPTS * EACH[name]).all()
    tasks = scores.filter(pl.col("benchmark") == "capability")
    assert tasks.height
    for file in ("tables/main.md", "tables/corr.md", "figures/corr_curves.svg"):
        assert tree.read(f"{RESULTS}/{file}")
    assert tree.read(f"{RESULTS}/report/report.html")


def test_the_base_has_read_real_text(tree):
    facts = json.loads(tree.read("results/bases/mixed-base/manifest.json"))
    assert tree.facts("results/raw/mixed-text")["rows"] > 100
    assert set(facts["inputs"]) == {"documents", "text"}
