"""A dataset of course corrections, from rows of a source to a model trained on it."""

from pathlib import Path

import pytest

from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import PREFERENCE, RESPONSE

pytestmark = pytest.mark.timeout(3600)

FIXTURES = Path(__file__).parents[1] / "fixtures"
GENERATED = "results/tiny/generated/tiny-base/c2/seed0.parquet"
MODEL = "results/tiny/models/tiny-base/c2_dpo/seed0"
PARTS = [
    f"results/tiny/responses/tiny-base/none/seed0/c2/part{n}.parquet" for n in (1, 2)
]


STAND_IN = """
stand-in:
  path: diverse_beams
  format: custom_generate
  files: {one: custom_generate/generate.py, two: custom_generate/beam_search.py}
  licence: Apache-2.0
  content: code
"""


@pytest.fixture
def tree(finished, tmp_path):
    """A study's copy: its base is trained."""
    made = finished.copy(tmp_path / "repository")
    yield made
    made.end()


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


def with_beams(study):
    study["datasets"]["searched"] = {
        "corrections": {
            "recipe": "none",
            "decode": {"max_new_tokens": 8},
            "beams": {"source": "stand-in"},
            "requests": {"source": "tiny-pku", "limit": 2, "min_words": 6},
        },
        "max_length": 160,
    }
    study["recipes"]["searched_dpo"] = {"method": "dpo", "dataset": "searched"}


def test_beams_are_searched_by_code_of_a_folder_once_the_user_lets_it_run(tree):
    registry = Path(tree.folder, "config/sources.yaml")
    registry.write_text(registry.read_text() + STAND_IN)
    made = "results/tiny/generated/tiny-base/searched/seed0.parquet"
    options = ["study=tiny", f"sources_dir={FIXTURES}"]
    command = ["snakemake", "--cores", "2", "--config", *options, "--", made]
    with tree.with_study(with_beams):
        refused = tree.run(*command)
        assert refused.returncode != 0
        assert "set SAFEGRID_REMOTE_CODE=stand-in" in refused.stdout
        tree.environment["SAFEGRID_REMOTE_CODE"] = "stand-in"
        tree.call(*command)
    assert len(read_table(tree.folder / made, PREFERENCE)) == 30
    responses = "results/tiny/responses/tiny-base/none/seed0/searched.parquet"
    facts = read_manifest(tree.folder / responses)
    assert set(facts["inputs"]) == {"ids", "generate.py", "beam_search.py"}
    assert facts["params"]["decode"]["beams"] == {"groups": 2, "penalty": 0.5}
    assert facts["finish"]["error"] == 0


def test_a_model_is_trained_on_what_its_base_corrected(tree):
    """One run: what is asked again after it is in the cache."""
    with tree.with_study(with_corrections):
        command = ["snakemake", "--cores", "2", "--config", "study=tiny", "--"]
        said = tree.call(*command, MODEL)
        made = Path(tree.folder, GENERATED)
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
        again = tree.call(*command, GENERATED)
        assert "all responses found in the cache" in again
        assert made.read_bytes() == before
