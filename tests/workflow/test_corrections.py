"""A dataset of course corrections, from rows of a source to a model trained on it."""

from pathlib import Path

from safegrid.core.records import PREFERENCE, RESPONSE

FIXTURES = Path(__file__).parents[1] / "fixtures"
GENERATED = "results/tiny/generated/tiny-base/c2/seed0.parquet"
MODEL = "results/tiny/models/tiny-base/c2_dpo/seed0"
PARTS = [
    f"results/tiny/responses/tiny-base/none/seed0/c2/part{n}.parquet" for n in (1, 2)
]


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


def corrections(words, **more):
    requests = {"source": "tiny-pku", "limit": 2, "min_words": 6}
    block = {"recipe": "none", "decode": {"max_new_tokens": words}, **more}
    return {"corrections": {"requests": requests, **block}, "max_length": 160}


def with_corrections(study):
    study["datasets"]["c2"] = corrections(16, shards=2)
    study["datasets"]["c2"]["corrections"]["requests"]["limit"] = 12
    study["recipes"]["c2_dpo"] = {"method": "dpo", "dataset": "c2"}


def with_beams(study):
    beams = {"source": "stand-in"}
    study["datasets"]["searched"] = corrections(8, beams=beams)
    study["recipes"]["searched_dpo"] = {"method": "dpo", "dataset": "searched"}


def test_beams_are_searched_by_code_of_a_folder_once_the_user_lets_it_run(copy):
    copy.add("sources", **{"stand-in": STAND_IN})
    made = "results/tiny/generated/tiny-base/searched/seed0.parquet"
    command = copy.snakemake(made, options=(f"sources_dir={FIXTURES}",))
    with copy.with_study(with_beams):
        refused = copy.run(*command)
        assert refused.returncode != 0
        assert "set SAFEGRID_REMOTE_CODE=stand-in" in refused.stdout
        copy.environment["SAFEGRID_REMOTE_CODE"] = "stand-in"
        copy.call(*command)
    assert len(copy.table(made, PREFERENCE)) == 30
    facts = copy.facts("results/tiny/responses/tiny-base/none/seed0/searched.parquet")
    assert set(facts["inputs"]) == {"ids", "generate.py", "beam_search.py"}
    assert facts["params"]["decode"]["beams"] == {"groups": 2, "penalty": 0.5}
    assert facts["finish"]["error"] == 0


def test_a_model_is_trained_on_what_its_base_corrected(copy):
    """One run: what is asked again after it is in the cache."""
    with copy.with_study(with_corrections):
        said = copy.call(*copy.snakemake(MODEL))
        asked, frame = (
            copy.facts(GENERATED)["requests"],
            copy.table(GENERATED, PREFERENCE),
        )
        assert asked["kept"] + sum(asked["dropped"].values()) == 12
        assert len(frame) == 15 * asked["kept"] > 0
        assert set(frame["category"].value_counts()["count"]) == {asked["kept"]}
        # Half of the requests, five prompts each.
        assert [len(copy.table(part, RESPONSE)) for part in PARTS] == [30, 30]
        assert "c2: " in said
        assert "1000 requests cost" in said
        rates = copy.call(*copy.safegrid("rates", "--study", "tiny"))
        assert rates.count("tiny-base/c2/seed0: 1000 requests cost") == 1

        before = copy.read(GENERATED)
        for name in (GENERATED, PARTS[1]):
            (copy.folder / name).unlink()
        again = copy.call(*copy.snakemake(GENERATED))
        assert "all responses found in the cache" in again
        assert copy.read(GENERATED) == before
