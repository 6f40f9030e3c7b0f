"""Study `real-rows` on a slice of each real set, where a copy of them is at hand.

No assertion shows a text: the rows are harmful.
"""

import json
import os
from pathlib import Path

import polars as pl
import pytest
import yaml

from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import PAIRS, RESPONSE, SCORE, VERDICT

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
PROMPTS = 6
PAIRS_ASKED = 24
MODELS = ["none", "dpo"]
# What a whole set holds, counted by hand.
WHOLE = {"xstest": 450, "malicious": 100, "cona": 178, "toxicity": 500, "c2_eval": 500}
# Prompts that a row makes; C2-Eval asks each row with eight beginnings of its answer.
EACH = dict.fromkeys(WHOLE, 1) | {"c2_eval": 8}

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not SHARED.is_dir(),
        reason=f"no rows of the real sets in {SHARED}; set SAFEGRID_SHARED_DATA to a"
        " copy",
    ),
]


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


def change(path, edit):
    document = yaml.safe_load(path.read_text())
    edit(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="module")
def tree(make_tree, tmp_path_factory):
    tree = make_tree(tmp_path_factory.mktemp("real") / "repository")
    change(tree.folder / "config/studies/real-rows.yaml", shrink)
    change(tree.folder / "config/worlds.yaml", wither)
    command = ["snakemake", "--config", "study=real-rows", f"sources_dir={SHARED}"]
    tree.first_run = tree.call(*command)
    yield tree
    tree.end()


def results(tree):
    return tree.folder / "results/real-rows"


def test_every_row_of_a_set_is_a_prompt_or_counted(tree):
    for name, rows in WHOLE.items():
        facts = read_manifest(results(tree) / f"prompts/{name}.parquet")
        assert facts["rows"] == PROMPTS * EACH[name]
        assert facts["dropped"] == {"over_limit": (rows - PROMPTS) * EACH[name]}


def test_every_prompt_has_an_answer_and_a_verdict_of_each_judge(tree):
    study = yaml.safe_load((tree.folder / "config/studies/real-rows.yaml").read_text())
    for name in WHOLE:
        for recipe in MODELS:
            cell = f"mixed-base/{recipe}/seed0/{name}.parquet"
            answers = read_table(results(tree) / "responses" / cell, RESPONSE)
            asked = PROMPTS * EACH[name]
            assert answers["prompt_id"].n_unique() == answers.height == asked
            for judge in study["benchmarks"][name]["judges"]:
                file = results(tree) / "verdicts" / judge / cell
                verdicts = read_table(file, VERDICT)
                assert set(verdicts["prompt_id"]) == set(answers["prompt_id"])


def test_every_pair_is_trained_on_or_counted(tree):
    facts = read_manifest(results(tree) / "datasets/preferences.parquet")
    assert facts["rows"] + sum(facts["dropped"].values()) == 3457
    file = results(tree) / "pairs/mixed-base/preferences.parquet"
    kept = read_table(file, PAIRS).height
    assert kept + sum(read_manifest(file)["dropped"].values()) == PAIRS_ASKED


def test_the_scores_reach_tables_figures_and_report(tree):
    scores = read_table(results(tree) / "scores.parquet", SCORE)
    for metric, name in {"safety": "malicious", "correction": "c2_eval"}.items():
        whole = scores.filter(slice="all", metric=metric, benchmark=name)
        assert sorted(whole["recipe"]) == sorted(MODELS)
        assert (whole["n"] + whole["n_unscored"] == PROMPTS * EACH[name]).all()
    tasks = scores.filter(pl.col("benchmark") == "capability")
    assert tasks.height
    for file in ("main.md", "corr.md"):
        assert (results(tree) / "tables" / file).stat().st_size
    for file in ("figures/corr_curves.svg", "report/report.html"):
        assert (results(tree) / file).stat().st_size


def test_what_a_thousand_rows_took_is_printed(tree):
    lines = tree.first_run.splitlines()
    start = lines.index("study real-rows: what its rows took")
    table = {line.split()[0]: line.split() for line in lines[start + 2 :]}
    assert table["generate"][2] == str(sum(EACH.values()) * len(MODELS) * PROMPTS)
    assert float(table["generate"][3]) > 0
    assert float(table["generate"][4]) > 0


def test_the_base_has_read_real_text(tree):
    facts = json.loads(
        (tree.folder / "results/bases/mixed-base/manifest.json").read_text()
    )
    gathered = read_manifest(tree.folder / "results/raw/mixed-text")
    assert gathered["rows"] > 100
    assert set(facts["inputs"]) == {"documents", "text"}
