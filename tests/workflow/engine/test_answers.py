"""What our own engine answers, against transformers; in this process, no server."""

import json
import math
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch
from fastapi.testclient import TestClient

from engines import launch_spec, plain_generate, request
from safegrid.core.errors import EngineError
from safegrid.engine.calls import SECONDS_HEADER
from safegrid.engine.decode import generate
from safegrid.engine.model import load
from safegrid.engine.scoring import Question, classify, score
from safegrid.engine.server import RequestQueue, make_app, workers

GREEDY = {"temperature": 0}
SAMPLED = {"temperature": 1.0, "top_p": 0.9, "frequency_penalty": 0.4}
KEY = {"Authorization": "Bearer k"}


@pytest.fixture(scope="module")
def model(causal):
    return load(launch_spec(causal))


@pytest.fixture(scope="module")
def prompts():
    draw = random.Random(0)
    return [
        [1, *(draw.randrange(5, 300) for _ in range(draw.randrange(3, 30)))]
        for _ in range(60)
    ]


def answers_of(model, prompts, sampling=GREEDY, seeds=None):
    return generate(model, request(prompts, seeds=seeds, **sampling))


def ids_of(*given, **named):
    return [answer.ids for answer in answers_of(*given, **named)]


def full_logprobs(model, ids):
    with torch.inference_mode():
        return model.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)


def plain_logprobs(model, ids, start):
    """What a plain forward gives the tokens from a place on, nearly."""
    table = full_logprobs(model, ids)
    values = [table[p - 1, ids[p]].item() for p in range(start, len(ids))]
    return pytest.approx(values, abs=1e-4)


@pytest.fixture
def shapes(monkeypatch):
    """Watch a model: return the list of the shapes of ids that it will read."""

    def watch(model):
        read, forward = [], type(model.network).forward

        def counting(self, *ids, **named):
            read.extend(tuple(part.shape) for part in ids)
            return forward(self, *ids, **named)

        monkeypatch.setattr(type(model.network), "forward", counting)
        return read

    return watch


def test_positions_do_not_shift_with_padding(models, prompts):
    model = load(launch_spec(models / "absolute", batch_size=20))
    expected = [plain_generate(model, prompt, 16) for prompt in prompts[:20]]
    assert ids_of(model, prompts[:20]) == expected
    (found,) = score(model, [Question(prompts[0], 2, True)], 1)
    assert found.logprobs == plain_logprobs(model, prompts[0], 2)


def test_greedy_answers_are_those_of_generate(model, prompts):
    answers = answers_of(model, prompts)
    assert [a.ids for a in answers] == [plain_generate(model, p, 16) for p in prompts]
    assert {a.finish for a in answers} == {"stop", "length"}
    for answer in answers:
        assert (answer.ids[-1] in model.ends) == (answer.finish == "stop")


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize(("chunk", "max_tokens"), [(1, 4096), (7, 4096), (64, 200)])
def test_answers_are_equal_for_every_chunking(
    causal, model, prompts, sampling, chunk, max_tokens
):
    expected = ids_of(model, prompts, sampling, list(range(60)))
    other = load(launch_spec(causal, batch_size=chunk, max_batch_tokens=max_tokens))
    order = random.Random(1).sample(range(60), 60)
    found = ids_of(other, [prompts[i] for i in order], sampling, order)
    assert found == [expected[i] for i in order]


@pytest.mark.parametrize("name", ["causal", "absolute"])
def test_what_rows_begin_with_is_read_once_and_changes_nothing(
    models, prompts, shapes, name
):
    model = load(launch_spec(models / name))
    alike = [prompts[0][:1] + [7] * 20 + prompt[1:] for prompt in prompts[:20]]
    expected = [plain_generate(model, prompt, 16) for prompt in alike]
    read = shapes(model)
    assert ids_of(model, alike) == expected
    assert read[:2] == [(1, 21), (20, max(map(len, alike)) - 21)]
    read.clear()
    found = score(model, [Question(row, 21, True) for row in alike], 1)
    assert read[0] == (1, 20)
    for row, scored in zip(alike, found, strict=True):
        assert scored.logprobs == plain_logprobs(model, row, 21)
        best = full_logprobs(model, row)[-1].max().item()
        assert scored.ahead[0][1] == pytest.approx(best, abs=1e-4)


def test_examples_of_each_task_are_read_once(model, prompts, shapes):
    tasks = [[1, *[begun] * 70] for begun in (7, 8)]
    rows = [[*tasks[n % 2], *prompt[1:4]] for n, prompt in enumerate(prompts[:20])]
    rows.append(prompts[20])
    starts = [*[len(tasks[0])] * 20, 1]
    questions = [Question(*both, False) for both in zip(rows, starts, strict=True)]
    read = shapes(model)
    found = score(model, questions, 0)
    assert read == [*[(1, 70), (10, 3)] * 2, (1, len(prompts[20]) - 1)]
    for row, start, scored in zip(rows, starts, found, strict=True):
        assert scored.logprobs == plain_logprobs(model, row, start)


def test_seeds_and_settings_change_draws(model, prompts):
    cool = {"temperature": 0.3}
    first, again, other, cold = (
        ids_of(model, prompts, sampling, [seed] * 60)
        for seed, sampling in ((1, SAMPLED), (1, SAMPLED), (2, SAMPLED), (1, cool))
    )
    assert first == again
    assert sum(a != b for a, b in zip(first, other, strict=True)) > 50
    assert sum(a != b for a, b in zip(first, cold, strict=True)) > 30


def test_a_frequency_penalty_ends_repetition(model, prompts):
    plain, long = (
        max(ids.count(i) for ids in ids_of(model, prompts, sampling) for i in ids)
        for sampling in (GREEDY, {"frequency_penalty": 2.0})
    )
    assert long < plain


def test_stop_strings_end_an_answer(model, prompts):
    free = answers_of(model, prompts[:20])[3]
    stop = model.tokenizer.decode(free.ids)[4:7]
    stopping = {"stop": ["no such text", stop]}
    answer = answers_of(model, prompts[:20], stopping)[3]
    assert (answer.finish, answer.stop) == ("stop", stop)
    assert model.tokenizer.decode(answer.ids).index(stop) <= 4
    assert len(answer.ids) < len(free.ids)
    assert stop not in model.tokenizer.decode(answer.ids[:-1])


@pytest.mark.parametrize("ahead", [False, True])
def test_scores_are_those_of_a_plain_forward(model, prompts, ahead):
    starts = [1, 2, 3, 4] * 15
    questions = [Question(p, n, ahead) for p, n in zip(prompts, starts, strict=True)]
    scores = score(model, questions, 3)
    for question, found in zip(questions, scores, strict=True):
        expected = full_logprobs(model, question.ids)
        assert found.logprobs == plain_logprobs(model, question.ids, question.start)
        places = range(question.start, len(question.ids))
        for place, ranked in zip(places, found.best, strict=True):
            best = expected[place - 1].topk(3)
            assert [token for token, _ in ranked] == best.indices.tolist()
        assert len(found.ahead) == (3 if ahead else 0)
        if ahead:
            assert found.ahead[0][0] == expected[-1].argmax().item()


def test_labels_of_one_prompt_share_a_forward(model, prompts, shapes):
    questions = [
        Question([*p, label], len(p), False) for p in prompts for label in (8, 9)
    ]
    read = shapes(model)
    scores = score(model, questions, 0)
    assert sum(rows for rows, _ in read) == 60
    for number in (0, 31):
        expected = full_logprobs(model, prompts[number])[-1]
        found = [s.logprobs[0] for s in scores[2 * number : 2 * number + 2]]
        assert found == pytest.approx(expected[[8, 9]].tolist(), abs=1e-4)


def test_nothing_to_score_is_no_question(model):
    assert score(model, [Question([5], 1, False)], 1)[0].logprobs == []


def test_classes_are_those_of_a_plain_forward(classifier, prompts):
    model = load(launch_spec(classifier, batch_size=7, head="classify"))
    found = classify(model, prompts, True)
    for row, values in zip(prompts, found, strict=True):
        with torch.inference_mode():
            logits = model.network(torch.tensor([row])).logits[0]
        assert values == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
    raw = classify(model, prompts[:2], False)
    assert torch.tensor(raw).softmax(-1)[1].tolist() == pytest.approx(found[1])


def test_a_classifier_without_a_pad_token_is_refused(classifier, tmp_path):
    folder = shutil.copytree(classifier, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config["pad_token_id"] = None
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match="pad_token_id"):
        load(launch_spec(folder, head="classify"))


def client(model, head="causal", **more):
    app = make_app(model, launch_spec("m", head=head), RequestQueue(**more))
    return TestClient(app, headers=KEY, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def web(model):
    return client(model)


def ask(web, **body):
    return web.post("/v1/completions", json={"model": "m", "temperature": 0, **body})


def choices(web, **body):
    return ask(web, **body).json()["choices"]


def test_health_is_open_and_the_rest_needs_the_key(web):
    wrong = {"Authorization": "Bearer other"}
    assert web.get("/health", headers=wrong).status_code == 200
    assert web.get("/v1/models", headers=wrong).status_code == 401
    assert web.post("/classify", headers=wrong, json={}).status_code == 401
    (card,) = web.get("/v1/models").json()["data"]
    assert (card["id"], card["max_model_len"]) == ("m", 256)
    assert card["version"].endswith("cpu")
    assert card["device"].startswith("cpu ")
    assert card["device"].endswith(", 1 threads")


def test_an_answer_says_in_how_many_seconds_it_was_made(web, prompts):
    begun = time.perf_counter()
    long = ask(web, prompt=prompts[:20], max_tokens=16)
    waited = time.perf_counter() - begun
    short = ask(web, prompt=[[5]], max_tokens=1)
    told = [float(answer.headers[SECONDS_HEADER]) for answer in (long, short)]
    assert 0 < told[1] < told[0] <= waited
    assert set(long.json()) == {"object", "model", "choices", "usage"}


def test_answers_carry_their_place_and_their_prompt_and_have_one_seed(web, prompts):
    settings = {"temperature": 1.0, "max_tokens": 8, "return_token_ids": True}
    both = choices(web, prompt=prompts[:2], seed=5, **settings)
    apart = choices(web, prompt=prompts[:2], seeds=[5, 5], **settings)
    assert [c["index"] for c in both] == [0, 1]
    assert [c["token_ids"] for c in both] == [c["token_ids"] for c in apart]
    assert [c["prompt_token_ids"] for c in both] == prompts[:2]


def test_echo_gives_the_prompt_and_exactly_one_token_more(web, model, prompts):
    row = prompts[0]
    settings = {"echo": True, "logprobs": 1, "return_tokens_as_token_ids": True}
    (choice,) = choices(web, prompt=[row], max_tokens=1, seed=1234, **settings)
    values = choice["logprobs"]["token_logprobs"]
    tops = choice["logprobs"]["top_logprobs"]
    assert len(values) == len(row) + 1
    assert values[0] is None
    assert choice["logprobs"]["tokens"][1] == f"token_id:{row[1]}"
    expected = full_logprobs(model, row)
    for place in range(1, len(row)):
        likeliest = expected[place - 1].argmax().item() == row[place]
        # lm-evaluation-harness compares the two floats for equality.
        assert (values[place] == max(tops[place].values())) == likeliest
    assert values[-1] == max(tops[-1].values())


def test_tokens_after_a_prompt_have_the_values_that_echo_gives_them(web, prompts):
    tokens, one = [8, 9, 300], {"max_tokens": 1, "return_token_ids": True}
    named = {"logprob_token_ids": tokens, "return_tokens_as_token_ids": True}
    read = choices(web, prompt=prompts, logprobs=1, **one, **named)
    rows = [[*prompt, token] for prompt in prompts for token in tokens]
    echoed = choices(web, prompt=rows, echo=True, max_tokens=0, logprobs=1)
    values = [choice["logprobs"]["token_logprobs"][-1] for choice in echoed]
    found = [choice["logprobs"]["top_logprobs"][0] for choice in read]
    # The very numbers: both are read from one forward of the same rows.
    assert [told[f"token_id:{t}"] for told in found for t in tokens] == values
    greedy = choices(web, prompt=prompts, **one)
    assert [c["token_ids"] for c in read] == [c["token_ids"] for c in greedy]


def test_a_stop_string_is_cut_from_the_text(web, prompts):
    settings = {"prompt": prompts[3], "max_tokens": 16}
    text = choices(web, **settings)[0]["text"]
    (choice,) = choices(web, **settings, stop=text[4:7])
    assert choice["text"] == text[: text.index(text[4:7])]
    assert choice["stop_reason"] == text[4:7]


# What is asked of a prompt of one token, or of the one that is given.
REFUSED = {
    "id outside": ({"prompt": [[1, 99999]]}, "outside the vocabulary"),
    "negative id": ({"prompt": [[1, -1]]}, "outside the vocabulary"),
    "too long": ({"prompt": [[5] * 255], "max_tokens": 2}, "context is 256"),
    "many prompts": ({"prompt": [[5]] * 1001}, "1001 rows in a request; send at most"),
    "many beams": ({"num_beams": 65}, "less than or equal to 64"),
    "endless": ({"max_tokens": 10**9}, "context is 256"),
    "empty row": ({"prompt": [[5], []]}, "prompt"),
    "text": ({"prompt": "hello"}, "prompt"),
    "unknown": ({"min_p": 0.1}, "min_p"),
    "no seed": ({"temperature": 1.0}, "seed"),
    "echo": ({"echo": True, "max_tokens": 3}, "echo needs"),
    "nothing": ({"max_tokens": 0}, "at least 1"),
    "seeds": ({"seeds": [1, 2]}, "2 values for 1 prompts"),
    "top_p": ({"top_p": 0}, "top_p"),
    "labels": (
        {"logprobs": 1, "logprob_token_ids": [3], "max_tokens": 2},
        "logprob_token_ids needs max_tokens 1",
    ),
    "label outside": (
        {"logprobs": 1, "logprob_token_ids": [3, 99999], "max_tokens": 1},
        "logprob_token_ids holds an id outside the vocabulary",
    ),
    "answers' own": ({"logprobs": 1}, "logprobs needs echo or logprob_token_ids"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_answered_is_refused_with_a_reason(web, name):
    body, reason = REFUSED[name]
    answer = ask(web, **{"prompt": [5], **body})
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_another_models_name_is_unknown(web):
    assert ask(web, model="x", prompt=[5]).status_code == 404
    answer = web.post("/classify", json={"model": "m", "input": [[5]]})
    assert answer.status_code == 400


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_no_finite_numbers_are_null(classifier, broken):
    model = load(launch_spec(classifier, head="classify"))
    torch.nn.init.constant_(model.network.score.weight, 0.0)
    model.network.score.weight.data[0, 0] = broken
    body = {"model": "m", "input": [[5, 6]], "use_activation": False}
    (item,) = client(model, "classify").post("/classify", json=body).json()["data"]
    assert item["probs"] == [None, 0.0, 0.0]


def test_requests_at_once_are_worked_on_together_and_answered_alike(model, prompts):
    web = client(model, workers=2)
    meeting, here = threading.Barrier(2, timeout=60), threading.local()
    forward = type(model.network).forward

    def meet(self, *ids, **named):
        if not getattr(here, "met", False):
            here.met = True
            meeting.wait()
        return forward(self, *ids, **named)

    def texts(part):
        return [c["text"] for c in choices(web, prompt=part, max_tokens=16)]

    parts = (prompts[:20], prompts[20:40])
    alone = [texts(part) for part in parts]
    with (
        mock.patch.object(type(model.network), "forward", meet),
        ThreadPoolExecutor(2) as clients,
    ):
        assert list(clients.map(texts, parts)) == alone


def test_a_model_that_changes_as_it_reads_takes_one_request_at_a_time(
    model, causal, monkeypatch
):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert workers(launch_spec(causal), model.network) == 4
    rotary = next(m for m in model.network.modules() if hasattr(m, "rope_type"))
    monkeypatch.setattr(rotary, "rope_type", "dynamic")
    assert workers(launch_spec(causal), model.network) == 1


def test_a_model_of_nan_gives_null_and_no_crash(causal, prompts):
    model = load(launch_spec(causal))
    torch.nn.init.constant_(model.network.lm_head.weight, math.nan)
    web = client(model)
    (read,) = choices(web, prompt=prompts[0], echo=True, logprobs=1, max_tokens=1)
    assert read["logprobs"]["token_logprobs"][1:] == [None] * len(prompts[0])
    for settings in ({}, {"temperature": 1.0, "seed": 1}):
        assert ask(web, prompt=prompts[:3], **settings).status_code == 200
