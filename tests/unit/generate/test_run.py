from typing import Any

import polars as pl
import pytest

from safegrid.config import BeamDecode, Decode, EngineSpec
from safegrid.config.engine import Beams
from safegrid.core.artifacts import read_manifest, read_table, write_table
from safegrid.core.consent import REMOTE_CODE
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.records import IDS, RESPONSE
from safegrid.core.seals import write_result
from safegrid.core.stages import VERSIONS
from safegrid.engine.client import Completion
from safegrid.generate.run import generate, sample_seed
from safegrid.models.templates import ChatTokenizer
from safegrid.runtime.usage import recorded

GREEDY = Decode(max_new_tokens=4)
SAMPLED = Decode(max_new_tokens=4, temperature=1.0, samples=2)
ROWS = [("long", [1, 2, 3, 4]), ("a", [1, 2]), ("b", [1, 3])]


@pytest.fixture
def write_ids(tmp_path, base_folder):
    template = ChatTokenizer.load(base_folder).template_hash

    def write(name, rows):
        path = tmp_path / f"{name}.parquet"
        frame = pl.DataFrame(rows, schema=IDS, orient="row")
        write_table(path, frame, IDS, {"template": template})
        return path

    return write


@pytest.fixture
def run(tmp_path, base_folder, write_ids, fake_engine):
    """Generate all rows' answers in the same cell, with changes."""
    everything = write_ids("ids", ROWS)

    def _run(ids=everything, out=tmp_path / "responses.parquet", **changes):
        arguments = {
            "stack": [base_folder],
            "decode": GREEDY,
            "engine": EngineSpec(batch_size=2),
            "seed": 7,
            "benchmark_version": 1,
            "cache": tmp_path / "cache",
        }
        generate(**arguments | changes, ids=ids, out=out)
        return read_table(out, RESPONSE)

    _run.facts = lambda: read_manifest(tmp_path / "responses.parquet")
    return _run


def saying(text):
    """An engine's answer: what `text` makes of a row and a seed."""
    return lambda row, seed: Completion([1], "eos", 1, text(row, seed))


def test_every_item_has_a_row_also_one_that_the_engine_refuses(
    run, base_folder, fake_engine
):
    fake_engine.max_length = 3
    fake_engine.answer = lambda row, seed: Completion(
        [row[-1]], "length", 4, f"says {row[-1]}"
    )
    rows = run()
    assert rows["prompt_id"].to_list() == ["long", "a", "b"]
    assert rows["text"].to_list() == ["", "says 2", "says 3"]
    assert rows["finish"].to_list() == ["error", "length", "length"]
    assert rows["n_tokens"].to_list() == [0, 4, 4]
    assert rows["n_prompt_tokens"].to_list() == [4, 2, 2]
    facts = run.facts()
    assert facts["finish"] == {"eos": 0, "length": 2, "error": 1}
    assert (facts["rows"], facts["empty"]) == (3, 0)
    assert facts["template"] == ChatTokenizer.load(base_folder).template_hash
    assert facts["engine"]["kind"] == "fake"


def test_each_sample_is_drawn_from_its_own_seed(run, fake_engine):
    fake_engine.answer = saying(lambda row, seed: str(seed))
    rows = run(decode=SAMPLED)
    assert rows.select("prompt_id", "sample").rows() == [
        (name, sample) for name, _ in ROWS for sample in (0, 1)
    ]
    assert rows["text"].to_list() == [
        str(sample_seed(7, name, sample)) for name, _ in ROWS for sample in (0, 1)
    ]
    assert rows["text"].n_unique() == 6
    other = run(decode=SAMPLED, seed=8)
    assert not set(other["text"]) & set(rows["text"])


def test_a_repeated_cell_starts_no_engine_and_gives_the_same_bytes(
    run, tmp_path, fake_engine
):
    run()
    first = (tmp_path / "responses.parquet").read_bytes()
    run()
    assert (tmp_path / "responses.parquet").read_bytes() == first
    assert (fake_engine.leases, fake_engine.asked) == (1, 3)
    run(fresh=True)
    assert (tmp_path / "responses.parquet").read_bytes() == first
    assert (fake_engine.leases, fake_engine.asked) == (2, 6)


def test_other_settings_or_weights_find_nothing_in_the_store(
    run, base_folder, fake_engine
):
    first = run()
    second = run(decode=Decode(max_new_tokens=5))
    assert fake_engine.asked == 6
    assert first["decode"].unique().to_list() != second["decode"].unique().to_list()
    write_result(base_folder / "manifest.json", {"weights": "others"})
    run()
    assert fake_engine.asked == 9


def test_a_raised_number_of_stage_or_benchmark_asks_everything_again(
    run, fake_engine, monkeypatch
):
    run()
    fake_engine.answer = saying(lambda *_: "mended")
    # What clients make of an answer is kept, so a mended client must not find it.
    with monkeypatch.context() as raised:
        raised.setitem(VERSIONS, "generate", VERSIONS["generate"] + 1)
        rows = run()
    assert rows["text"].to_list() == ["mended"] * 3
    assert fake_engine.asked == 6
    run(benchmark_version=2)
    assert fake_engine.asked == 9
    monkeypatch.setitem(VERSIONS, "judge", VERSIONS["judge"] + 1)
    run()
    assert fake_engine.asked == 9


def test_answers_of_two_engines_never_meet_in_one_cell(run, fake_engine, write_ids):
    few = write_ids("few", ROWS[1:])
    run(few)
    fake_engine.identity = fake_engine.identity._replace(version="2")
    fake_engine.answer = saying(lambda *_: "newer")
    rows = run()
    assert rows["text"].to_list() == ["newer"] * 3
    assert run.facts()["engine"]["version"] == "2"


def test_code_that_searches_runs_by_consent_and_is_part_of_what_answered(
    run, tmp_path, fake_engine, monkeypatch
):
    code = tmp_path / "raw/mine/custom_generate/generate.py"
    code.parent.mkdir(parents=True)
    code.write_text("one = 1")
    beams = [Beams(), Beams(penalty=0.7)]
    decodes = [BeamDecode(max_new_tokens=4, beams=given) for given in beams]
    changes: dict[str, Any] = {"search": [code], "decode": decodes[0]}
    with pytest.raises(ConfigError, match=r"mine: .*set SAFEGRID_REMOTE_CODE=mine"):
        run(**changes)
    assert fake_engine.leases == 0
    monkeypatch.setenv(REMOTE_CODE, "mine")
    first = run(**changes)
    inputs = run.facts()["inputs"]
    run(**changes)
    assert fake_engine.asked == 3
    other = run(**changes | {"decode": decodes[1]})
    assert fake_engine.asked == 6
    assert set(first["decode"]).isdisjoint(other["decode"])
    code.write_text("two = 2")
    run(**changes)
    assert fake_engine.asked == 9
    again = run.facts()["inputs"]
    assert again["ids"] == inputs["ids"]
    assert again["generate.py"] != inputs["generate.py"]


def test_what_answers_took_is_kept_whoever_asked_for_them(
    run, tmp_path, base_folder, fake_engine, write_ids
):
    def answer(row, seed):
        usage = {"usage": {"completion_tokens": 2}}
        fake_engine.usage.count({"prompt": row}, usage, "0.5")
        return Completion([1], "eos", 2, "yes")

    fake_engine.answer = answer
    few, ids = write_ids("few", ROWS[1:]), write_ids("all", ROWS)
    out = tmp_path / "results/s/responses/alert.parquet"
    out.parent.mkdir(parents=True)
    for path, answers, from_cache, seconds in (
        (few, 2, 0, 1.0),  # both asked for
        (ids, 3, 2, 1.5),  # the third one added to those of the cache
        (ids, 3, 3, 1.5),  # all of them from the cache, without an engine
    ):
        run(path, out=out)
        record = recorded(out, read_manifest(out)["engine"])
        assert (record.answers, record.from_cache) == (answers, from_cache)
        assert record.usage is not None
        assert (record.usage.seconds, record.usage.measured) == (seconds, "engine")
        assert record.usage.tokens_out == 2 * answers
    assert record.usage.tokens_in == sum(len(row) for _, row in ROWS)
    assert record.model == str(base_folder)
    assert "seconds" not in str(read_manifest(out))


def test_an_empty_or_doubled_file_of_prompts_is_refused(run, tmp_path, write_ids):
    empty = write_ids("none", [])
    with pytest.raises(DataError, match=r"none\.parquet: no prompts"):
        run(empty)
    twice = write_ids("twice", [("a", [1]), ("a", [2])])
    with pytest.raises(DataError, match=r"twice\.parquet: prompt a stands twice"):
        run(twice)
    assert not (tmp_path / "responses.parquet").exists()


def test_ids_of_another_template_are_refused(run, make_folder, fake_engine):
    other = make_folder("other", "{{ bos_token }}{{ messages[0].content }}")
    with pytest.raises(DataError, match="render the prompts through this model's own"):
        run(stack=[other])
    assert fake_engine.leases == 0
