"""Answers of several beams: what the engine hands to the code that searches.

The hub's own code is not here. A small search of the tests stands in for it, taken by
transformers from a folder as the real one is.
"""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from transformers import GenerationConfig

from engines import launch_spec, request
from safegrid.core.errors import EngineError
from safegrid.engine.beams import check_search, search
from safegrid.engine.decode import generate
from safegrid.engine.model import load
from safegrid.engine.protocol import RefusedError
from safegrid.engine.server import RequestQueue, make_app

STAND_IN = Path(__file__).parents[2] / "fixtures/diverse_beams"
KEY = {"Authorization": "Bearer k"}
MOST = 8
# A search that only writes down what it is given, and answers with one token.
TOLD = """\
import torch
told = []
def generate(model, inputs, **arguments):
    told.append((inputs, arguments))
    model.told = told
    return torch.cat([inputs, torch.full((len(inputs), 1), ANSWER)], dim=1)
"""
CUT = "def generate(model, inputs, **others):\n    return inputs[1:]\n"


def beams(prompts, number=2, groups=2, penalty=0.5):
    """Return a request for answers that beams find."""
    return request(
        prompts,
        max_tokens=MOST,
        num_beams=number,
        num_beam_groups=groups,
        diversity_penalty=penalty,
    )


def beamed(model, code=STAND_IN, chunk=64):
    """Load a model whose answers the code of a folder searches."""
    return load(launch_spec(model, search=str(code), batch_size=chunk))


@pytest.fixture(scope="module")
def model(causal):
    return beamed(causal)


@pytest.fixture(scope="module")
def prompts():
    draw = random.Random(0)
    return [
        [1, *(draw.randrange(5, 300) for _ in range(draw.randrange(3, 12)))]
        for _ in range(12)
    ]


@pytest.fixture(scope="module")
def greedy(model, prompts):
    return generate(model, request(prompts, max_tokens=MOST))


def coded(folder, text):
    """Write a folder's code that searches."""
    code = folder / "custom_generate/generate.py"
    code.parent.mkdir(parents=True)
    code.write_text(text)
    return folder


def telling(folder, answer):
    return coded(folder, TOLD.replace("ANSWER", str(answer)))


def test_groups_that_nothing_keeps_apart_find_the_greedy_answers(
    model, prompts, greedy
):
    assert search(model, beams(prompts, penalty=0)) == greedy


def test_groups_that_are_kept_apart_find_others_the_same_at_every_run(
    causal, model, prompts, greedy
):
    found = search(model, beams(prompts))
    assert found != greedy
    order = random.Random(1).sample(range(len(prompts)), len(prompts))
    moved = [prompts[i] for i in order]
    again = search(beamed(causal, chunk=5), beams(moved))
    assert again == [found[i] for i in order]
    assert {answer.finish for answer in found} == {"stop", "length"}
    for answer in found:
        ended = answer.ids[-1] in model.ends
        assert ended == (answer.finish == "stop")
        assert ended or len(answer.ids) == MOST
        assert not set(answer.ids[:-1]) & model.ends


def test_the_code_is_given_padded_chunks_and_what_the_request_says(
    causal, prompts, tmp_path
):
    model = beamed(causal, telling(tmp_path / "told", 2), chunk=8)
    # What a checkpoint recommends must not reach answers that a study compares.
    model.network.generation_config = GenerationConfig(repetition_penalty=1.05)
    search(model, beams(prompts, 4, 2, 0.7))
    said = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.7}
    said |= {"num_return_sequences": 1, "do_sample": False, "max_new_tokens": MOST}
    said |= {"eos_token_id": [2], "pad_token_id": 0, "generation_config": None}
    given = []
    for ids, arguments in model.network.told:
        assert len(ids) * 4 <= 8
        mask = arguments["attention_mask"]
        assert mask.tolist() == (ids != 0).long().tolist()
        assert (mask.diff(dim=1) >= 0).all()
        pairs = zip(ids, mask.bool(), strict=True)
        given += [row[keep].tolist() for row, keep in pairs]
        assert {name: arguments[name] for name in said} == said
    assert sorted(given) == sorted(prompts)
    assert model.network.generation_config.repetition_penalty is None


def test_other_code_in_the_folder_of_that_name_is_other_code(causal, tmp_path):
    alone = beams([1, 5]).model_copy(update={"max_tokens": 1})
    for token, finish in ((2, "stop"), (7, "length")):
        folder = telling(tmp_path / "told", token)
        (answer,) = search(beamed(causal, folder), alone)
        assert (answer.ids, answer.finish) == ([token], finish)
        shutil.rmtree(folder)


def test_what_is_no_answer_to_each_prompt_is_refused(causal, tmp_path):
    rows = [[1, 5], [1, 6]]
    with pytest.raises(RefusedError, match="started without code that searches"):
        search(load(launch_spec(causal)), beams(rows))
    for name, text, said in (
        ("cut", TOLD.replace("ANSWER", "7"), "1 tokens without an end token"),
        ("bare", CUT, "one row for each prompt"),
    ):
        model = beamed(causal, coded(tmp_path / name, text))
        with pytest.raises(RefusedError, match=said):
            search(model, beams(rows))


@pytest.mark.parametrize("name", ["causal", "absolute"])
def test_an_engine_begins_with_code_that_finds_the_likeliest_tokens(models, name):
    check_search(beamed(models / name))


def test_code_that_takes_the_model_for_another_one_is_found_out(causal, tmp_path):
    """As code of an older transformers does, which goes on from other keys and values.

    The stand-in is made to see each prompt without its first token.
    """
    folder = shutil.copytree(STAND_IN, tmp_path / "older")
    code = folder / "custom_generate/generate.py"
    text = code.read_text()
    assert text.count("prompt = ids[mask.bool()]") == 1
    code.write_text(text.replace("ids[mask.bool()]", "ids[mask.bool()][1:]"))
    with pytest.raises(EngineError, match=r"older: .* do not find the likeliest"):
        check_search(beamed(causal, folder))


def test_nobody_waits_for_answers_that_nobody_asks_for_any_more(model, prompts):
    class GoneError(Exception):
        pass

    steps = []

    def leave():
        steps.append(1)
        if len(steps) == 3:
            raise GoneError

    with pytest.raises(GoneError):
        search(replace(model, check=leave), beams(prompts))
    assert len(steps) == 3


def test_a_request_for_beams_is_answered_by_them(model, prompts):
    web = TestClient(make_app(model, launch_spec("m"), RequestQueue()), headers=KEY)
    body = {"model": "m", "prompt": prompts, "max_tokens": MOST, "temperature": 0}
    body |= {"num_beams": 2, "num_beam_groups": 2, "diversity_penalty": 0.5}
    body |= {"return_token_ids": True}
    found = search(model, beams(prompts))
    choices = web.post("/v1/completions", json=body).json()["choices"]
    assert [choice["token_ids"] for choice in choices] == [a.ids for a in found]
    assert [choice["finish_reason"] for choice in choices] == [a.finish for a in found]
    for changes, said in (
        ({"logprobs": 1}, "logprobs needs echo"),
        ({"temperature": 0.5, "seed": 1}, "num_beams needs temperature 0"),
        ({"stop": "a"}, "num_beams needs temperature 0"),
        ({"num_beams": 3}, "a multiple of num_beam_groups"),
        ({"num_beam_groups": 1}, "needs several num_beam_groups"),
    ):
        refused = web.post("/v1/completions", json=body | changes)
        assert refused.status_code == 400
        assert said in refused.json()["error"]["message"]
