"""Scores of known answers: nats a token, clustered by prompt, paired with the base."""

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_result, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import LIKELIHOOD, PROMPT
from safegrid.score.capability import score_likelihood

from .conftest import CELL, ENGINE, LIMITS


@pytest.fixture
def write(tmp_path):
    """Write prompts with their clusters, or likelihoods as (sum, tokens)."""

    def _write(name, rows, schema):
        path = tmp_path / f"{name}.parquet"
        whole = [dict.fromkeys(schema) | row for row in rows]
        facts = manifest("capability", {}, {}, engine=ENGINE)
        write_table(path, pl.DataFrame(whole, schema=schema), schema, facts)
        return path

    return _write


@pytest.fixture
def score(write, tmp_path):
    """Score a model against its base: (sum, tokens) of each prompt."""

    def _score(own, base, clusters=None, recipe="dpo", most_unscored=0.05, shared=()):
        prompts = [
            {"prompt_id": f"p{n}", "cluster": f"c{c}", "reference": "yes"}
            for n, c in enumerate(clusters or range(len(own)))
        ]
        # A prompt without a known answer is no row of the benchmark.
        prompts.append({"prompt_id": "q", "cluster": "q"})
        files = {
            name: write(
                name,
                [
                    {"prompt_id": f"p{n}", "logprob": total, "n_tokens": tokens}
                    for n, (total, tokens) in enumerate(rows)
                ],
                LIKELIHOOD,
            )
            for name, rows in (("likelihoods", own), ("base_likelihoods", base))
        }
        overlap = tmp_path / "overlap.json"
        write_result(overlap, {"contaminated": list(shared)})
        out = tmp_path / "scores.parquet"
        files |= {"prompts": write("prompts", prompts, PROMPT), "overlap": overlap}
        limits = {**LIMITS, "most_unscored": most_unscored}
        score_likelihood(cell={**CELL, "recipe": recipe}, **files, **limits, out=out)
        rows = pl.read_parquet(out).to_dicts()
        return {(row["metric"], row["slice"]): row for row in rows}

    return _score


NAME = "reference_likelihood"


def test_each_prompt_counts_once_however_long_its_answer(score):
    rows = score([(-2.0, 1), (-10.0, 100)], [(-2.0, 1), (-10.0, 100)], recipe="none")
    found = rows[NAME, "all"]
    assert found["value"] == pytest.approx((-2.0 - 0.1) / 2)
    assert (found["n"], found["n_unscored"], found["judge"]) == (2, 0, "references")
    assert (f"{NAME}_vs_base", "all") not in rows


def test_the_difference_is_paired_and_its_interval_draws_clusters(score):
    base = [(-float(n), 10) for n in range(1, 41)]
    own = [(total + 1.0 + 0.02 * n, 10) for n, (total, _) in enumerate(base)]
    found = score(own, base)[f"{NAME}_vs_base", "all"]
    assert found["value"] == pytest.approx(0.1 + 0.002 * 19.5)
    alone = score(own, base)[NAME, "all"]
    # Pairing takes the spread of the prompts out.
    assert found["high"] - found["low"] < (alone["high"] - alone["low"]) / 5
    wide = score(own, base, clusters=[n // 10 for n in range(40)])[NAME, "all"]
    assert wide["high"] - wide["low"] > 1.2 * (alone["high"] - alone["low"])


def test_an_answer_without_a_number_is_unscored_for_both_and_may_refuse_the_score(
    score,
):
    base = [(-1.0, 2)] * 30
    own = [(None, 2), *base[1:]]
    rows = score(own, base)
    assert (rows[NAME, "all"]["n"], rows[NAME, "all"]["n_unscored"]) == (29, 1)
    assert rows[f"{NAME}_vs_base", "all"]["n_unscored"] == 1
    refused = score(own, base, most_unscored=0.01)[NAME, "all"]
    assert refused["value"] is None
    assert refused["reason"].startswith("1 of 30 answers are unscored")


def test_prompts_that_training_data_shares_are_left_out_of_their_slice(score):
    rows = score([(-1.0, 1), (-3.0, 1)], [(-1.0, 1), (-3.0, 1)], shared=["p1"])
    assert rows[NAME, "decontaminated"]["value"] == -1.0
    assert rows[NAME, "decontaminated"]["n"] == 1


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([(-1.0, 1), (-1.0, 3)], "not the answers and tokens of"),
        ([(-1.0, 1)], "1 rows, not one of each of the 2 known answers"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(score, own, said):
    with pytest.raises(DataError, match=said):
        score(own, [(-1.0, 1), (-1.0, 2)], clusters=[0, 1])
