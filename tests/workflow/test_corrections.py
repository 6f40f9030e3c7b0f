"""A dataset of course corrections, from rows of a source to a model trained on it."""

from pathlib import Path

import pytest

from safegrid.artifacts import read_manifest, read_table
from safegrid.records import PREFERENCE, RESPONSE

pytestmark = pytest.mark.timeout(3600)

MADE = "results/tiny/made/tiny-base/c2/seed0.parquet"
MODEL = "results/tiny/models/tiny-base/c2_dpo/seed0"
PARTS = [
    f"results/tiny/responses/tiny-base/none/seed0/c2/part{n}.parquet" for n in (1, 2)
]


def with_corrections(study):
    study["datasets"]["c2"] = {
        "corrections": {
            "recipe": "none",
            "decode": {"max_new_tokens": 16},
            "requests": {"source": "tiny-pku", "limit": 12, "min_words": 6},
            "shards": 2,
        },
        "max_length": 160,
    }
    study["recipes"]["c2_dpo"] = {"method": "dpo", "dataset": "c2"}


@pytest.fixture
def tree(finished, tmp_path):
    """A study's copy: its base is grown."""
    made = finished.copy(tmp_path / "repository")
    yield made
    made.end()


def test_a_model_is_trained_on_what_its_base_corrected(tree):
    """One run: what is asked again after it is in the store."""
    with tree.with_study(with_corrections):
        command = ["snakemake", "--cores", "2", "--config", "study=tiny", "--"]
        said = tree.call(*command, MODEL)
        made = Path(tree.folder, MADE)
        facts, frame = read_manifest(made), read_table(made, PREFERENCE)
        asked = facts["requests"]
        assert asked["kept"] + sum(asked["dropped"].values()) == 12
        assert len(frame) == 15 * asked["kept"] > 0
        assert frame["category"].value_counts()["count"].unique().to_list() == [
            asked["kept"]
        ]
        # Half of the requests, five prompts each.
        for part in PARTS:
            assert len(read_table(tree.folder / part, RESPONSE)) == 30
        assert "c2: " in said
        assert "1000 requests cost" in said
        assert (
            tree.call(*("python", "-m", "safegrid", "rates", "--study", "tiny")).count(
                "tiny-base/c2/seed0: 1000 requests cost"
            )
            == 1
        )

        before = made.read_bytes()
        made.unlink()
        Path(tree.folder, PARTS[1]).unlink()
        again = tree.call(*command, MADE)
        assert "all answers stood in" in again
        assert made.read_bytes() == before
