import json
import math

import pytest

from safegrid.config import BeamDecode, Decode, EngineSpec
from safegrid.config.engine import Beams
from safegrid.core.errors import EngineError
from safegrid.engine.client import Completion
from safegrid.engine.lease import lease

GREEDY = Decode(max_new_tokens=3)
SAMPLED = Decode(max_new_tokens=3, temperature=0.7, top_p=0.9, stop=["x"])


@pytest.fixture
def engine(server, monkeypatch):
    monkeypatch.setenv("SAFEGRID_ENGINE_KEY", server.key)
    spec = EngineSpec(kind="address", address=server.url)
    with lease(spec, [server.folder]) as engine:
        yield engine


@pytest.fixture
def bodies(server):
    """Reads the requests for completions that a test has sent."""
    log = server.log
    before = len(log.read_text().splitlines())

    def read():
        entries = [json.loads(line) for line in log.read_text().splitlines()[before:]]
        return [entry for entry in entries if entry["path"] == "/v1/completions"]

    return read


@pytest.fixture
def sent(engine, monkeypatch):
    """Bodies as they are sent; vLLM's stand-in is asked what it knows."""
    bodies, post = [], engine.post

    def noted(path, body):
        bodies.append(body)
        known = {k: body[k] for k in body if "beam" not in k}
        if known.pop("logprobs_from", None):
            known["max_tokens"] = 1
        return post(path, known)

    monkeypatch.setattr(engine, "post", noted)
    return bodies


def test_the_end_token_is_counted_but_is_no_text(engine):
    long, cut = (
        engine.complete([[7]], Decode(max_new_tokens=n), [0])[0] for n in (3, 2)
    )
    assert long == Completion([7, 0], "eos", 3, "7 0 2")
    assert cut == Completion([7, 0], "length", 2, "7 0")


def test_greedy_prompts_travel_in_one_request_and_keep_their_order(engine, bodies):
    answers = engine.complete([[7], [8]], GREEDY, [5, 6])
    assert [answer.text_ids[0] for answer in answers] == [7, 8]
    (body,) = bodies()
    assert body["prompt"] == [[7], [8]]
    assert body["temperature"] == 0


def test_every_setting_is_sent_so_that_no_default_of_the_engine_counts(engine, bodies):
    engine.complete([[7]], SAMPLED, [5])
    (body,) = bodies()
    expected = {"max_tokens": 3, "temperature": 0.7, "top_p": 0.9, "top_k": -1}
    expected |= {"stop": ["x"]}
    assert {k: body[k] for k in expected} == expected


def test_beams_are_asked_for_in_the_words_of_transformers(engine, sent):
    engine.complete([[7]], GREEDY, [5])
    with pytest.raises(EngineError, match="diversity_penalty"):
        engine.complete([[7]], BeamDecode(max_new_tokens=3, beams=Beams()), [5])
    greedy, searched = sent
    beams = {"num_beams": 2, "num_beam_groups": 2, "diversity_penalty": 0.5}
    assert searched == {**greedy, **beams}


def test_sampling_asks_vllm_once_a_seed(engine, bodies):
    answers = engine.complete([[7]] * 3, SAMPLED, [11, 12, 13])
    assert [answer.text_ids[1] for answer in answers] == [11, 12, 13]
    assert sorted(body["seed"] for body in bodies()) == [11, 12, 13]


def test_lists_longer_than_vllm_takes_are_split(engine, bodies):
    answers = engine.complete([[i % 50 + 3] for i in range(1030)], GREEDY, [0] * 1030)
    assert all(a.text_ids[0] == i % 50 + 3 for i, a in enumerate(answers))
    assert [len(body["prompt"]) for body in bodies()] == [1000, 30]


def test_labels_of_one_token_are_read_from_one_place(engine, bodies):
    found = engine.label_logprobs([[5, 6], [7, 8, 9]], [[10], [12], [10]])
    assert found == [[-5.0, -6.0, -5.0], [-5.0, -6.0, -5.0]]
    (body,) = bodies()
    assert body["prompt"] == [[5, 6], [7, 8, 9]]
    assert body["logprob_token_ids"] == [10, 12]
    assert (body["max_tokens"], body["temperature"]) == (1, 0)
    assert engine.usage.take().tokens_out == 0


def test_labels_of_several_tokens_are_summed_by_echo(engine, bodies):
    found = engine.label_logprobs([[5, 6], [7, 8, 9]], [[10], [11, 12]])
    assert found == [[-5.0, -11.5], [-5.0, -11.5]]
    read, echoed = bodies()
    assert read["logprob_token_ids"] == [10]
    assert echoed["prompt"] == [[5, 6, 11, 12], [7, 8, 9, 11, 12]]
    assert echoed["echo"] is True
    assert echoed["max_tokens"] == 1


def test_our_engine_is_asked_once_since_rows_share_its_forward(
    engine, sent, monkeypatch
):
    monkeypatch.setattr(engine, "ours", True)
    assert engine.label_logprobs([[5, 6]], [[10], [11, 12]]) == [[-5.0, -11.5]]
    assert [body["prompt"] for body in sent] == [[[5, 6, 10], [5, 6, 11, 12]]]
    assert engine.label_logprobs([[5, 6]], [[10], [11]]) == [[-5.0, -5.5]]
    assert sent[1]["prompt"] == [[5, 6]]


def test_a_server_that_knows_no_places_is_asked_for_labels_by_echo(
    serve, monkeypatch, tmp_path
):
    monkeypatch.setenv("STAND_IN_OLD", "1")
    server = serve("old")
    monkeypatch.setenv("SAFEGRID_ENGINE_KEY", server.key)
    spec = EngineSpec(kind="address", address=server.url)
    with lease(spec, [server.folder]) as engine:
        assert engine.label_logprobs([[5, 6]], [[10], [2]]) == [[-5.0, -1.0]]
    echoed = json.loads(server.log.read_text().splitlines()[-1])
    assert echoed["prompt"] == [[5, 6, 10]]


def test_sequence_logprobs_are_those_after_the_context(engine):
    found = engine.sequence_logprobs([[5, 6, 7], [8, 9], [3]], [1, 2, 1])
    assert found == [[-3.0, -3.5], [], []]


def test_the_first_token_cannot_be_scored(engine):
    with pytest.raises(EngineError, match="first token"):
        engine.sequence_logprobs([[5, 6]], [0])


def test_rows_that_do_not_fit_are_answered_without_the_engine(engine, bodies):
    long = [3] * 62
    first, second = engine.complete([long, [7]], GREEDY, [0, 0])
    assert first == Completion([], "error", 0)
    assert second.finish == "eos"
    labels, short = engine.label_logprobs([[3] * 64, [4]], [[10], [11]])
    assert all(math.isnan(value) for value in labels)
    assert short == [-5.0, -5.5]
    one, two = engine.values("classify", [[3] * 65, [3]])
    assert one == []
    assert two == [0.25, 0.75]
    sent = [prompt for body in bodies() for prompt in body["prompt"]]
    assert max(map(len, sent)) <= 63


def test_nothing_is_asked_for_no_rows(engine, bodies):
    assert engine.complete([], GREEDY, []) == []
    assert engine.label_logprobs([], [[1]]) == []
    assert engine.values("classify", []) == []
    assert bodies() == []


def test_a_refusal_says_what_the_engine_says(engine):
    with pytest.raises(EngineError, match="no such model"):
        engine.post("/v1/completions", {"model": "other", "prompt": [[1]]})


def test_an_engine_that_says_no_seconds_is_timed_by_its_client(engine):
    engine.usage.take()
    engine.complete([[7], [8, 9]], GREEDY, [0, 0])
    usage = engine.usage.take()
    assert (usage.requests, usage.rows) == (1, 2)
    assert (usage.tokens_in, usage.tokens_out) == (3, 6)
    assert usage.measured == "client"
    assert usage.seconds > 0
    assert usage.device == "unknown"
