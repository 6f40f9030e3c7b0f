"""Datasets that models make: the page's study of mixes, RAFT and pairs, corrections.

The page's study is run as it stands there, on the finished world.
"""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from safegrid.config.documents import merge
from safegrid.core.records import (
    LIKELIHOOD,
    PREFERENCE,
    PROMPT,
    RESPONSE,
    SCORE,
    VERDICT,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
PAGE = "docs/add_a_study.md"
FENCE = re.compile(
    r"^```yaml\n# (?:add to )?config/studies/pilot-raft\.yaml\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
STUDY = "results/pilot-raft"
OVERLAP = f"{STUDY}/overlap/references.json"
KEY = ["prompt_id", "sample"]
# Of the study `tiny`, for corrections.
ROWS = "results/tiny/generated/tiny-base/{}/seed0.parquet"
ANSWERS = "results/tiny/responses/tiny-base/none/seed0/{}.parquet"
STAND_IN = {
    "path": "diverse_beams",
    "format": "custom_generate",
    "files": {
        "one": "custom_generate/generate.py",
        "two": "custom_generate/beam_search.py",
    },
    "licence": "Apache-2.0",
    "content": "code",
}


@pytest.fixture(scope="module")
def pilot(shared_copy):
    """The page's study, run to its scores."""
    tree = shared_copy
    whole, added = map(yaml.safe_load, FENCE.findall(tree.read(PAGE).decode()))
    study = yaml.safe_dump(merge(whole, added), sort_keys=False)
    (tree.folder / "config/studies/pilot-raft.yaml").write_text(study)
    make(tree, "judge_all", f"{STUDY}/scores.parquet")
    return tree


def make(tree, *targets, **more):
    return tree.call(*tree.snakemake(*targets, study="pilot-raft", **more))


def planned(tree, *targets, **more):
    return sorted(tree.plan(*targets, study="pilot-raft", **more).counts)


def table(tree, path, schema):
    return tree.table(f"{STUDY}/{path}", schema)


@pytest.mark.parametrize(("rows", "maker"), [("raft_1", "it"), ("raft_2", "raft_1")])
def test_an_iteration_trains_on_the_best_answers_of_the_model_before(
    pilot, rows, maker
):
    cell = f"tiny-base/{maker}/seed0/{rows}.parquet"
    answers = table(pilot, f"responses/{cell}", RESPONSE)
    scores = table(pilot, f"verdicts/tiny-reward/{cell}", VERDICT)
    given = answers.join(scores.select(*KEY, "score"), on=KEY)
    assert given.height == 16 * 4
    best = (
        given.filter(pl.col("text").str.strip_chars() != "")
        .sort("prompt_id", pl.col("score").neg(), "sample")
        .group_by("prompt_id", maintain_order=True)
        .first()
    )
    made = table(pilot, f"generated/tiny-base/{rows}/seed0.parquet", PREFERENCE)
    assert sorted(made["chosen"]) == sorted(best["text"])
    assert made["rejected"].null_count() == made.height
    model = pilot.facts(f"{STUDY}/models/tiny-base/{rows}/seed0")
    assert model["rows"] == made.height


def test_every_model_that_answers_is_scored_by_guard_and_reward(pilot):
    scores = table(pilot, "scores.parquet", SCORE).filter(slice="all")
    for metric in ("safety", "reward_mean", "reward_median"):
        found = scores.filter(metric=metric)
        assert set(found["recipe"]) == {
            *("none", "it", "sit", "raft_1", "raft_2", "refuse")
        }
        assert found["value"].null_count() == 0
        assert found["n_unscored"].sum() == 0


def test_any_iteration_is_made_again_alone(pilot):
    path = f"{STUDY}/generated/tiny-base/raft_2/seed0.parquet"
    assert planned(pilot, path) == []
    before = pilot.read(path)
    (pilot.folder / path).unlink()
    assert planned(pilot, path) == ["best_of_k"]
    make(pilot, path)
    assert pilot.read(path) == before


def test_pairs_prefer_known_answers_to_the_bases_own(pilot):
    asked = table(pilot, "prompts/refusals.parquet", PROMPT)
    assert dict(asked["category"].value_counts().rows()) == {
        "tiny-safety": 40,
        "tiny-instructions": 20,
    }
    path = "generated/tiny-base/refusals/seed0.parquet"
    made = table(pilot, path, PREFERENCE)
    dropped = pilot.facts(f"{STUDY}/{path}")["dropped"]
    assert made.height == 60 - sum(dropped.values())
    model = pilot.facts(f"{STUDY}/models/tiny-base/refuse/seed0")
    assert model["rows"] == made.height
    pairs = json.loads(pilot.read(OVERLAP))["pairs"]
    (shared,) = (pair for pair in pairs if pair["dataset"] == "refusals")
    assert shared["n_training_prompts"] == asked["cluster"].n_unique()


def test_known_answers_are_scored_in_nats_beside_the_base(pilot):
    scores = table(pilot, "scores.parquet", SCORE).filter(benchmark="references")
    for recipe in ("none", "refuse"):
        cell = f"likelihoods/tiny-base/{recipe}/seed0/references.parquet"
        read = table(pilot, cell, LIKELIHOOD)
        (row,) = scores.filter(
            recipe=recipe, metric="reference_likelihood", slice="all"
        ).to_dicts()
        assert row["n"] == read.height == 20
        value = (read["logprob"] / read["n_tokens"]).mean()
        assert row["value"] == pytest.approx(value)
        assert row["low"] < row["value"] < row["high"] < 0
    against = scores.filter(metric="reference_likelihood_vs_base", slice="all")
    assert set(against["recipe"]) == {"it", "sit", "raft_1", "raft_2", "refuse"}
    # Instructions of this world repeat; what is shared is left out there only.
    clean = 20 - len(json.loads(pilot.read(OVERLAP))["contaminated"])
    assert set(scores.filter(slice="decontaminated")["n"]) == {clean}


def test_a_cell_of_known_answers_is_made_again_alone(pilot):
    only = ("recipe=refuse", "benchmark=references", "force=true")
    rules = ["cell", "cell_manifest_cell", "reference_likelihood", "score_likelihood"]
    assert planned(pilot, "cell", options=only) == rules


# ------------------------------------------------------------------ corrections


def with_corrections(name, limit, words, **more):
    """Return an edit that adds a dataset of corrections, and a model trained on it."""
    requests = {"source": "tiny-pku", "limit": limit, "min_words": 6}
    block = {"requests": requests, "recipe": "none"}
    block |= {"decode": {"max_new_tokens": words}, **more}

    def add(study):
        study["datasets"][name] = {"corrections": block, "max_length": 160}
        study["recipes"][f"{name}_dpo"] = {"method": "dpo", "dataset": name}

    return add


def test_beams_are_searched_by_code_of_a_folder_once_the_user_lets_it_run(shared_copy):
    tree, made = shared_copy, ROWS.format("searched")
    tree.add("sources", **{"stand-in": STAND_IN})
    command = tree.snakemake(made, options=(f"sources_dir={FIXTURES}",))
    add = with_corrections("searched", 2, 8, beams={"source": "stand-in"})
    with tree.with_study(add):
        assert "set SAFEGRID_REMOTE_CODE=stand-in" in tree.refused(*command)
        tree.environment["SAFEGRID_REMOTE_CODE"] = "stand-in"
        tree.call(*command)
    assert len(tree.table(made, PREFERENCE)) == 30
    facts = tree.facts(ANSWERS.format("searched"))
    assert set(facts["inputs"]) == {"ids", "generate.py", "beam_search.py"}
    assert facts["params"]["decode"]["beams"] == {"groups": 2, "penalty": 0.5}
    assert facts["finish"]["error"] == 0


def test_a_model_is_trained_on_what_its_base_corrected(shared_copy):
    """One run: what is asked again after it is in the cache."""
    tree, made = shared_copy, ROWS.format("c2")
    parts = [ANSWERS.format(f"c2/part{n}") for n in (1, 2)]
    with tree.with_study(with_corrections("c2", 12, 16, shards=2)):
        said = tree.call(*tree.snakemake("results/tiny/models/tiny-base/c2_dpo/seed0"))
        asked, frame = tree.facts(made)["requests"], tree.table(made, PREFERENCE)
        assert asked["kept"] + sum(asked["dropped"].values()) == 12
        assert len(frame) == 15 * asked["kept"] > 0
        assert set(frame["category"].value_counts()["count"]) == {asked["kept"]}
        # Half of the requests, five prompts each.
        assert [len(tree.table(part, RESPONSE)) for part in parts] == [30, 30]
        assert "c2: " in said
        assert "1000 requests cost" in said
        rates = tree.call(*tree.safegrid("rates", "--study", "tiny"))
        assert rates.count("tiny-base/c2/seed0: 1000 requests cost") == 1

        before = tree.read(made)
        for name in (made, parts[1]):
            (tree.folder / name).unlink()
        again = tree.call(*tree.snakemake(made))
        assert "all responses found in the cache" in again
        assert tree.read(made) == before
