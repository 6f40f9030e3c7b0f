"""What our own engine answers, against transformers; in this process, no server."""

import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch
from fastapi.testclient import TestClient

from safegrid.core.errors import EngineError
from safegrid.engine.app import RequestQueue, make_app
from safegrid.engine.classify import classify
from safegrid.engine.decode import generate
from safegrid.engine.model import load
from safegrid.engine.prefixes import LEAST, Prefix
from safegrid.engine.registry import LaunchSpec
from safegrid.engine.sampling import Sampling
from safegrid.engine.scoring import Question, score
from safegrid.engine.server import workers
from safegrid.engine.usage_counter import SECONDS_HEADER

GREEDY = Sampling(max_tokens=16)
SAMPLED = Sampling(max_tokens=16, temperature=1.0, top_p=0.9, frequency_penalty=0.4)
KEY = {"Authorization": "Bearer k"}


def go_on():
    pass


def launch_spec(folder, chunk=64, max_tokens=4096, head="causal", dtype="float32"):
    return LaunchSpec(
        kind="safegrid",
        model="m",
        stack=[str(folder)],
        head=head,
        dtype=dtype,
        batch_size=chunk,
        max_batch_tokens=max_tokens,
        idle_seconds=60,
        start_seconds=60,
        key="k",
        owner=None,
        threads=1,
    )


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


def plain_generate(model, prompt, count):
    """The answer of transformers' own `generate` to one prompt."""
    ids = torch.tensor([prompt])
    out = model.network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        pad_token_id=0,
        eos_token_id=sorted(model.ends),
    )
    return out[0, len(prompt) :].tolist()


def test_positions_do_not_shift_with_padding(models, prompts):
    model = load(launch_spec(models / "absolute", chunk=20))
    answers = generate(model, prompts[:20], [0] * 20, GREEDY, None, go_on)
    expected = [plain_generate(model, p, 16) for p in prompts[:20]]
    assert [a.ids for a in answers] == expected
    (found,) = score(model, [Question(prompts[0], 2, True)], 1, go_on)
    values = full_logprobs(model, prompts[0])
    places = range(2, len(prompts[0]))
    assert found.logprobs == pytest.approx(
        [values[p - 1, prompts[0][p]].item() for p in places], abs=1e-4
    )


def test_greedy_answers_are_those_of_generate(model, prompts):
    answers = generate(model, prompts, [0] * 60, GREEDY, None, go_on)
    assert [a.ids for a in answers] == [plain_generate(model, p, 16) for p in prompts]
    finishes = {a.finish for a in answers}
    assert finishes == {"stop", "length"}
    for answer in answers:
        assert (answer.ids[-1] in model.ends) == (answer.finish == "stop")


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize(("chunk", "max_tokens"), [(1, 4096), (7, 4096), (64, 200)])
def test_answers_are_equal_for_every_chunking(
    causal, model, prompts, sampling, chunk, max_tokens
):
    seeds = list(range(60))
    expected = generate(model, prompts, seeds, sampling, None, go_on)
    other = load(launch_spec(causal, chunk, max_tokens))
    order = random.Random(1).sample(range(60), 60)
    answers = generate(
        other,
        [prompts[i] for i in order],
        [seeds[i] for i in order],
        sampling,
        None,
        go_on,
    )
    assert [a.ids for a in answers] == [expected[i].ids for i in order]


@pytest.mark.parametrize("name", ["causal", "absolute"])
def test_what_rows_begin_with_is_read_once_and_changes_nothing(
    models, prompts, monkeypatch, name
):
    model = load(launch_spec(models / name))
    alike = [prompts[0][:1] + [7] * 20 + prompt[1:] for prompt in prompts[:20]]
    read = []
    forward = type(model.network).forward

    def counting(self, *ids, **named):
        read.extend(tuple(part.shape) for part in ids)
        return forward(self, *ids, **named)

    monkeypatch.setattr(type(model.network), "forward", counting)
    answers = generate(model, alike, [0] * 20, GREEDY, None, go_on)
    assert read[0] == (1, 21)
    assert read[1] == (20, max(map(len, alike)) - 21)
    expected = [plain_generate(model, prompt, 16) for prompt in alike]
    assert [answer.ids for answer in answers] == expected
    read.clear()
    found = score(model, [Question(row, 21, True) for row in alike], 1, go_on)
    assert read[0] == (1, 20)
    for row, scored in zip(alike, found, strict=True):
        values = full_logprobs(model, row)
        places = range(21, len(row))
        assert scored.logprobs == pytest.approx(
            [values[p - 1, row[p]].item() for p in places], abs=1e-4
        )
        assert scored.ahead[0][1] == pytest.approx(values[-1].max().item(), abs=1e-4)


def test_examples_of_each_task_are_read_once(model, prompts, monkeypatch):
    tasks = [[1, *[begun] * 70] for begun in (7, 8)]
    rows = [[*tasks[n % 2], *prompt[1:4]] for n, prompt in enumerate(prompts[:20])]
    rows.append(prompts[20])
    read = []
    forward = model.network.forward

    def counting(ids, **options):
        read.append(tuple(ids.shape))
        return forward(ids, **options)

    monkeypatch.setattr(model.network, "forward", counting)
    starts = [*[len(tasks[0])] * 20, 1]
    questions = [Question(*both, False) for both in zip(rows, starts, strict=True)]
    found = score(model, questions, 0, go_on)
    assert read == [*[(1, 70), (10, 3)] * 2, (1, len(prompts[20]) - 1)]
    for row, start, scored in zip(rows, starts, found, strict=True):
        values = full_logprobs(model, row)
        expected = [values[p - 1, row[p]].item() for p in range(start, len(row))]
        assert scored.logprobs == pytest.approx(expected, abs=1e-4)


def test_rows_that_share_little_are_read_whole(model, prompts):
    share = prompts[0][:1] + [7] * (LEAST - 2)
    assert Prefix(model, [[*share, 8, 9], [*share, 9, 9]], 16).length == 0
    assert Prefix(model, [[*share, 7, 8], [*share, 7, 9]], 16).length == LEAST
    assert Prefix(model, [[*share, 7, 8]], 16).length == 0


def test_seeds_and_settings_change_draws(model, prompts):
    first, again, other, cold = (
        generate(model, prompts, [seed] * 60, sampling, None, go_on)
        for seed, sampling in (
            (1, SAMPLED),
            (1, SAMPLED),
            (2, SAMPLED),
            (1, Sampling(max_tokens=16, temperature=0.3)),
        )
    )
    assert [a.ids for a in first] == [a.ids for a in again]
    assert sum(a.ids != b.ids for a, b in zip(first, other, strict=True)) > 50
    assert sum(a.ids != b.ids for a, b in zip(first, cold, strict=True)) > 30


def test_a_frequency_penalty_ends_repetition(model, prompts):
    long = Sampling(max_tokens=16, frequency_penalty=2.0, ignore_eos=True)
    plain = Sampling(max_tokens=16, ignore_eos=True)
    most = [
        max(
            a.ids.count(i)
            for a in generate(model, prompts, [0] * 60, s, None, go_on)
            for i in a.ids
        )
        for s in (plain, long)
    ]
    assert most[1] < most[0]


def test_stop_strings_end_an_answer(model, prompts):
    free = generate(model, prompts[:20], [0] * 20, GREEDY, None, go_on)
    text = model.tokenizer.decode(free[3].ids)
    stop = text[4:7]
    stopping = Sampling(max_tokens=16, stop=("no such text", stop))
    answer = generate(model, prompts[:20], [0] * 20, stopping, None, go_on)[3]
    assert (answer.finish, answer.stop) == ("stop", stop)
    assert model.tokenizer.decode(answer.ids).index(stop) <= 4
    assert len(answer.ids) < len(free[3].ids)
    assert stop not in model.tokenizer.decode(answer.ids[:-1])


def full_logprobs(model, ids):
    with torch.inference_mode():
        return model.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)


@pytest.mark.parametrize("ahead", [False, True])
def test_scores_are_those_of_a_plain_forward(model, prompts, ahead):
    questions = [
        Question(p, start, ahead)
        for p, start in zip(prompts, [1, 2, 3, 4] * 15, strict=True)
    ]
    for question, found in zip(
        questions, score(model, questions, 3, go_on), strict=True
    ):
        expected = full_logprobs(model, question.ids)
        places = range(question.start, len(question.ids))
        values = [expected[p - 1, question.ids[p]].item() for p in places]
        assert found.logprobs == pytest.approx(values, abs=1e-4)
        for place, ranked in zip(places, found.best, strict=True):
            best = expected[place - 1].topk(3)
            assert [token for token, _ in ranked] == best.indices.tolist()
        assert len(found.ahead) == (3 if ahead else 0)
        if ahead:
            assert found.ahead[0][0] == expected[-1].argmax().item()


def test_labels_of_one_prompt_share_a_forward(model, prompts, monkeypatch):
    rows = []
    forward = model.network.forward

    def counting(ids, **options):
        rows.append(len(ids))
        return forward(ids, **options)

    monkeypatch.setattr(model.network, "forward", counting)
    questions = [
        Question([*p, label], len(p), False) for p in prompts for label in (8, 9)
    ]
    scores = score(model, questions, 0, go_on)
    assert sum(rows) == 60
    for number in (0, 31):
        expected = full_logprobs(model, prompts[number])[-1]
        found = [s.logprobs[0] for s in scores[2 * number : 2 * number + 2]]
        assert found == pytest.approx(expected[[8, 9]].tolist(), abs=1e-4)


def test_nothing_to_score_is_no_question(model):
    assert score(model, [Question([5], 1, False)], 1, go_on)[0].logprobs == []


def test_classes_are_those_of_a_plain_forward(classifier, prompts):
    model = load(launch_spec(classifier, chunk=7, head="classify"))
    found = classify(model, prompts, True, go_on)
    for row, values in zip(prompts, found, strict=True):
        with torch.inference_mode():
            logits = model.network(torch.tensor([row])).logits[0]
        assert values == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
    raw = classify(model, prompts[:2], False, go_on)
    assert torch.tensor(raw).softmax(-1)[1].tolist() == pytest.approx(found[1])


def test_a_classifier_without_a_pad_token_is_refused(classifier, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(classifier, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config["pad_token_id"] = None
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match="pad_token_id"):
        load(launch_spec(folder, head="classify"))


@pytest.fixture(scope="module")
def web(causal, model):
    return TestClient(
        make_app(model, launch_spec(causal), RequestQueue()),
        headers=KEY,
        raise_server_exceptions=False,
    )


def ask(web, **body):
    return web.post("/v1/completions", json={"model": "m", **body})


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
    long = ask(web, prompt=prompts[:20], temperature=0, max_tokens=16)
    waited = time.perf_counter() - begun
    short = ask(web, prompt=[[5]], temperature=0, max_tokens=1)
    told = [float(answer.headers[SECONDS_HEADER]) for answer in (long, short)]
    assert 0 < told[1] < told[0] <= waited
    assert set(long.json()) == {"object", "model", "choices", "usage"}


def test_n_answers_to_a_prompt_are_drawn_from_consecutive_seeds(web, prompts):
    settings = {"temperature": 1.0, "max_tokens": 8, "return_token_ids": True}
    both = ask(web, prompt=prompts[:2], n=2, seed=5, **settings).json()["choices"]
    apart = ask(
        web, prompt=[prompts[0], prompts[0], prompts[1]], seeds=[5, 6, 5], **settings
    ).json()["choices"]
    assert [c["index"] for c in both] == [0, 1, 2, 3]
    assert [c["token_ids"] for c in both[:3]] == [c["token_ids"] for c in apart]
    assert both[1]["prompt_token_ids"] == prompts[0]
    assert both[2]["prompt_token_ids"] == prompts[1]


def test_echo_gives_the_prompt_and_exactly_one_token_more(web, model, prompts):
    choice = ask(
        web,
        prompt=[prompts[0]],
        max_tokens=1,
        temperature=0,
        echo=True,
        logprobs=1,
        seed=1234,
        return_tokens_as_token_ids=True,
    ).json()["choices"][0]
    logprobs = choice["logprobs"]
    assert len(logprobs["token_logprobs"]) == len(prompts[0]) + 1
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["tokens"][1] == f"token_id:{prompts[0][1]}"
    expected = full_logprobs(model, prompts[0])
    for place in range(1, len(prompts[0])):
        value, top = logprobs["token_logprobs"][place], logprobs["top_logprobs"][place]
        likeliest = expected[place - 1].argmax().item() == prompts[0][place]
        # lm-evaluation-harness compares the two floats for equality.
        assert (value == max(top.values())) == likeliest
    assert logprobs["token_logprobs"][-1] == max(logprobs["top_logprobs"][-1].values())


def test_logprobs_of_an_answer_are_the_models_own(web, model, prompts):
    body = {"max_tokens": 5, "logprobs": 2, "return_token_ids": True}
    sampled = {"temperature": 2.0, "top_k": 50, "frequency_penalty": 1.0, "seed": 3}
    for settings in ({"temperature": 0}, sampled):
        choice = ask(web, prompt=prompts[0], **body, **settings).json()["choices"][0]
        ids = choice["token_ids"]
        expected = full_logprobs(model, prompts[0] + ids)[len(prompts[0]) - 1 :]
        values = [expected[i, token].item() for i, token in enumerate(ids)]
        found = choice["logprobs"]["token_logprobs"]
        assert found == pytest.approx(values, abs=1e-4)
        assert all(2 <= len(top) <= 3 for top in choice["logprobs"]["top_logprobs"])


def test_tokens_after_a_prompt_have_the_values_that_echo_gives_them(web, prompts):
    tokens, settings = [8, 9, 300], {"temperature": 0, "logprobs": 1}
    read = ask(
        web,
        prompt=prompts,
        max_tokens=1,
        logprob_token_ids=tokens,
        return_token_ids=True,
        return_tokens_as_token_ids=True,
        **settings,
    ).json()["choices"]
    rows = [[*prompt, token] for prompt in prompts for token in tokens]
    echoed = ask(web, prompt=rows, echo=True, max_tokens=0, **settings)
    values = [c["logprobs"]["token_logprobs"][-1] for c in echoed.json()["choices"]]
    greedy = ask(
        web, prompt=prompts, max_tokens=1, temperature=0, return_token_ids=True
    )
    found = [choice["logprobs"]["top_logprobs"][0] for choice in read]
    # The very numbers: both are read from one forward of the same rows.
    assert [told[f"token_id:{t}"] for told in found for t in tokens] == values
    best = [choice["token_ids"] for choice in greedy.json()["choices"]]
    assert [choice["token_ids"] for choice in read] == best


def test_a_stop_string_is_cut_from_the_text(web, prompts):
    settings = {"prompt": prompts[3], "max_tokens": 16, "temperature": 0}
    text = ask(web, **settings).json()["choices"][0]["text"]
    choice = ask(web, **settings, stop=text[4:7]).json()["choices"][0]
    assert choice["text"] == text[: text.index(text[4:7])]
    assert choice["stop_reason"] == text[4:7]


REFUSED = {
    "id outside": ({"prompt": [[1, 99999]]}, "outside the vocabulary"),
    "negative id": ({"prompt": [[1, -1]]}, "outside the vocabulary"),
    "too long": ({"prompt": [[5] * 255], "max_tokens": 2}, "context is 256"),
    "many answers": (
        {"prompt": [5], "n": 129},
        "n: Input should be less than or equal to 128",
    ),
    "many prompts": (
        {"prompt": [[5]] * 1001},
        "1001 rows in a request; send at most 1000",
    ),
    "many beams": ({"prompt": [5], "num_beams": 65}, "less than or equal to 64"),
    "endless": ({"prompt": [5], "max_tokens": 10**9}, "context is 256"),
    "empty row": ({"prompt": [[5], []]}, "prompt"),
    "text": ({"prompt": "hello"}, "prompt"),
    "unknown": ({"prompt": [5], "min_p": 0.1}, "min_p"),
    "no seed": ({"prompt": [5], "temperature": 1.0}, "seed"),
    "echo": ({"prompt": [5], "echo": True, "max_tokens": 3}, "echo needs"),
    "nothing": ({"prompt": [5], "max_tokens": 0}, "at least 1"),
    "seeds": ({"prompt": [5], "seeds": [1, 2]}, "2 values for 1 prompts"),
    "top_p": ({"prompt": [5], "top_p": 0}, "top_p"),
    "labels": (
        {"prompt": [5], "logprobs": 1, "logprob_token_ids": [3], "max_tokens": 2},
        "logprob_token_ids needs max_tokens 1",
    ),
    "label outside": (
        {
            **{"prompt": [5], "logprobs": 1, "max_tokens": 1},
            "logprob_token_ids": [3, 99999],
        },
        "logprob_token_ids holds an id outside the vocabulary",
    ),
    "n": ({"prompt": [5], "n": 0}, "n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_answered_is_refused_with_a_reason(web, name):
    body, reason = REFUSED[name]
    answer = ask(web, **{"temperature": 0, **body})
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_another_models_name_is_unknown(web):
    answer = web.post("/v1/completions", json={"model": "x", "prompt": [5], "seed": 1})
    assert answer.status_code == 404
    answer = web.post("/classify", json={"model": "m", "input": [[5]]})
    assert answer.status_code == 400


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_no_finite_numbers_are_null(classifier, broken):
    model = load(launch_spec(classifier, head="classify"))
    torch.nn.init.constant_(model.network.score.weight, 0.0)
    model.network.score.weight.data[0, 0] = broken
    web = TestClient(
        make_app(model, launch_spec(classifier, head="classify"), RequestQueue()),
        headers=KEY,
    )
    body = {"model": "m", "input": [[5, 6]], "use_activation": False}
    (item,) = web.post("/classify", json=body).json()["data"]
    assert item["probs"] == [None, 0.0, 0.0]


def test_requests_at_once_are_worked_on_together_and_answered_alike(model, prompts):
    app = make_app(model, launch_spec("m"), RequestQueue(workers=2))
    meeting = threading.Barrier(2, timeout=60)
    forward = type(model.network).forward

    def meet(self, *ids, **named):
        if not getattr(here, "met", False):
            here.met = True
            meeting.wait()
        return forward(self, *ids, **named)

    here = threading.local()
    web = TestClient(app, headers=KEY)
    parts, settings = (prompts[:20], prompts[20:40]), {"max_tokens": 16}
    alone = [ask(web, prompt=part, temperature=0, **settings) for part in parts]
    with (
        mock.patch.object(type(model.network), "forward", meet),
        ThreadPoolExecutor(2) as clients,
    ):
        both = list(
            clients.map(lambda p: ask(web, prompt=p, temperature=0, **settings), parts)
        )
    texts = [
        [[choice["text"] for choice in reply.json()["choices"]] for reply in replies]
        for replies in (alone, both)
    ]
    assert texts[0] == texts[1]


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
    web = TestClient(make_app(model, launch_spec(causal), RequestQueue()), headers=KEY)
    echo = {"temperature": 0, "echo": True, "logprobs": 1, "max_tokens": 1}
    values = ask(web, prompt=prompts[0], **echo).json()["choices"][0]["logprobs"]
    assert values["token_logprobs"][1:] == [None] * len(prompts[0])
    for settings in ({"temperature": 0}, {"temperature": 1.0, "seed": 1}):
        assert ask(web, prompt=prompts[:3], **settings).status_code == 200
