import math

import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, RESPONSE
from safegrid.core.seals import write_result
from safegrid.core.stages import VERSIONS
from safegrid.judge.run import judge, verdict_version

SURE = [math.log(0.9), math.log(0.1)]


@pytest.fixture(autouse=True)
def _sure(fake_engine):
    fake_engine.labels = lambda ids, words: SURE


def test_a_repeated_cell_starts_no_engine_and_gives_the_same_bytes(
    run_judge, guard_spec, guard_folder, fake_engine, tmp_path
):
    out = tmp_path / "verdicts.parquet"
    rows = run_judge(guard_spec, guard_folder, ["a", "b"])
    assert rows["judge"].unique().to_list() == ["guard"]
    facts = read_manifest(out)
    assert (facts["labels"], facts["engine"]["kind"]) == ({"safe": 2}, "fake")
    first = out.read_bytes()
    run_judge(guard_spec, guard_folder, ["a", "b"])
    assert out.read_bytes() == first
    assert (fake_engine.leases, fake_engine.asked) == (1, 2)
    run_judge(guard_spec, guard_folder, ["a", "b"], fresh=True)
    assert out.read_bytes() == first
    assert (fake_engine.leases, fake_engine.asked) == (2, 4)


def test_a_new_threshold_asks_nothing_again(run_judge, guard_folder, fake_engine):
    for threshold, label in ((0.5, "safe"), (0.05, "unsafe")):
        spec = JudgeSpec(name="guard", kind="guard", threshold=threshold)
        rows = run_judge(spec, guard_folder, ["a"])
        assert rows["label"][0] == label
    assert fake_engine.asked == 1


def test_a_raised_number_of_stage_or_judge_asks_everything_again(
    run_judge, guard_spec, guard_folder, fake_engine, monkeypatch
):
    run_judge(guard_spec, guard_folder, ["a"])
    fake_engine.labels = lambda ids, words: SURE[::-1]
    newer = guard_spec.model_copy(update={"version": 2})
    assert run_judge(newer, guard_folder, ["a"])["label"].to_list() == ["unsafe"]
    monkeypatch.setitem(VERSIONS, "judge", VERSIONS["judge"] + 1)
    rows = run_judge(guard_spec, guard_folder, ["a"])
    assert rows["label"].to_list() == ["unsafe"]
    assert fake_engine.leases == 3


def test_the_verdict_version_follows_spec_template_and_weights(
    guard_spec, guard_folder
):
    seen = {verdict_version(guard_spec, [guard_folder])}
    assert verdict_version(guard_spec, [guard_folder]) in seen
    newer = guard_spec.model_copy(update={"version": 2})
    seen.add(verdict_version(newer, [guard_folder]))
    write_result(guard_folder / "manifest.json", {"weights": "others"})
    seen.add(verdict_version(guard_spec, [guard_folder]))
    (guard_folder / "chat_template.jinja").write_text("{{ bos_token }}other")
    seen.add(verdict_version(guard_spec, [guard_folder]))
    assert len(seen) == 4


def test_responses_without_their_prompts_are_refused(
    run_judge, guard_spec, guard_folder, tmp_path
):
    run_judge(guard_spec, guard_folder, ["a", "b"])
    prompts, responses = tmp_path / "prompts.parquet", tmp_path / "responses.parquet"
    out = tmp_path / "other.parquet"
    rest = (guard_spec, [guard_folder], prompts, responses, EngineSpec())
    asked = read_table(prompts, PROMPT)
    write_table(prompts, asked.head(1), PROMPT, {})
    with pytest.raises(DataError, match=r"1 prompts that .*such as p1.*stale"):
        judge(*rest, tmp_path / "cache", out)
    write_table(responses, read_table(responses, RESPONSE).head(0), RESPONSE, {})
    with pytest.raises(DataError, match=r"responses\.parquet: no answers"):
        judge(*rest, tmp_path / "cache", out)
    assert not out.exists()
