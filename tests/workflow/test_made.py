"""The page's study of mixes and RAFT, run as it stands there, on the grown world."""

import re

import polars as pl
import pytest

from safegrid.artifacts import read_manifest, read_table
from safegrid.records import PREFERENCE, RESPONSE, SCORE, VERDICT

pytestmark = pytest.mark.timeout(4 * 3600)

PAGE = "docs/add_a_study.md"
FENCE = re.compile(
    r"^```yaml\n# (config/studies/pilot-raft\.yaml\n.*?)^```$", re.MULTILINE | re.DOTALL
)
STUDY = "results/pilot-raft"
KEY = ["prompt_id", "sample"]


@pytest.fixture(scope="module")
def pilot(finished, tmp_path_factory):
    """The page's study, run to its scores."""
    tree = finished.copy(tmp_path_factory.mktemp("pilot") / "repository")
    (found,) = FENCE.findall((tree.folder / PAGE).read_text())
    place, _, text = found.partition("\n")
    (tree.folder / place).write_text(text)
    tree.said = tree.call(*command("judge_all", f"{STUDY}/scores.parquet"))
    yield tree
    tree.end()


def command(*targets, dry=False):
    words = ["snakemake", "--cores", "2", "--config", "study=pilot-raft"]
    return [*words, *(["--dry-run"] if dry else []), "--", *targets]


def table(tree, path, schema):
    return read_table(tree.folder / STUDY / path, schema)


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
    made = table(pilot, f"made/tiny-base/{rows}/seed0.parquet", PREFERENCE)
    assert sorted(made["chosen"]) == sorted(best["text"])
    assert made["rejected"].null_count() == made.height
    model = read_manifest(pilot.folder / STUDY / f"models/tiny-base/{rows}/seed0")
    assert model["rows"] == made.height


def test_a_mix_is_its_instructions_and_so_many_safety_rows(pilot):
    mixed = table(pilot, "datasets/sit.parquet", PREFERENCE)
    plain = table(pilot, "datasets/it.parquet", PREFERENCE)
    assert set(plain["pair_id"]) < set(mixed["pair_id"])
    assert mixed.height == plain.height + 10


def test_every_model_that_answers_is_scored_by_guard_and_reward(pilot):
    scores = table(pilot, "scores.parquet", SCORE).filter(slice="all")
    for metric in ("safety", "reward_mean", "reward_median"):
        found = scores.filter(metric=metric)
        assert set(found["recipe"]) == {"none", "it", "sit", "raft_1", "raft_2"}
        assert found["value"].null_count() == 0
        assert found["n_unscored"].sum() == 0


def test_any_iteration_is_made_again_alone(pilot):
    path = f"{STUDY}/made/tiny-base/raft_2/seed0.parquet"
    assert "Nothing to be done" in pilot.call(*command(path, dry=True))
    before = (pilot.folder / path).read_bytes()
    (pilot.folder / path).unlink()
    said = pilot.call(*command(path, dry=True))
    assert re.findall(r"^(?:local)?rule (\w+):$", said, re.MULTILINE) == ["best_of_k"]
    pilot.call(*command(path))
    assert (pilot.folder / path).read_bytes() == before
