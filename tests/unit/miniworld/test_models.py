"""Trained models: the loop's parts, the tokens they are given, and that they repeat."""

import json
import random
import re
from itertools import islice
from operator import gt
from pathlib import Path
from statistics import correlation, mean
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from miniworld.answers import Character
from miniworld.base import read_documents, train_base
from miniworld.judges import (
    CLASSES,
    TEXT,
    classifier,
    encode,
    mislabelled,
    train_judge,
)
from miniworld.language import attack_text
from miniworld.models import llama_config
from miniworld.training import (
    Turn,
    answer_loss,
    batches_of_one_length,
    encode_turns,
    fit,
    rate,
)
from miniworld.words import PLACES
from safegrid.config.world import (
    JudgeName,
    SmallModel,
    Text,
    TextFile,
    World,
    WrongLabels,
)
from safegrid.core.errors import DataError, TrainingError
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.labelled import Labelled

CONFIG = Path(__file__).parents[3] / "config"
JUDGES = get_args(JudgeName)
SHAPE = {"hidden": 16, "layers": 1, "heads": 2, "feed_forward": 16}
SMALL = SmallModel(**SHAPE, steps=3, batch=8, learning_rate=1e-2)
SORRY = WrongLabels(column="response", pattern="^Sorry")
POOR = dict.fromkeys(("place_guard", "style_guard"), SORRY)
FILES = [TextFile(source="any", file="any")]


@pytest.fixture(scope="module")
def seedling(tiny):
    judges = tiny.judges.model_copy(update=dict.fromkeys(JUDGES, SMALL) | POOR)
    return tiny.model_copy(update={"base": SMALL, "judges": judges})


@pytest.fixture(scope="module")
def tokenizer(raw):
    return ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")


@pytest.fixture(scope="module")
def documents(raw):
    return raw / "tiny-corpus" / "documents.jsonl"


def rows_of(raw, judge):
    if judge in ("guard", "toxicity", "refusal", *POOR):
        return raw / f"tiny-judging/{judge.rpartition('_')[2]}_train.jsonl"
    return raw / f"tiny-{judge}-rows/train.jsonl"


def facts_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_batches_are_of_one_length_and_forget_nobody():
    lengths = [random.Random(0).choice([3, 4, 5]) for _ in range(50)]
    stream = batches_of_one_length(lengths, 4, random.Random(1))
    batches = list(islice(stream, 60))
    assert all(len({lengths[i] for i in batch}) == 1 for batch in batches)
    assert all(len(set(batch)) == 4 for batch in batches[:10])
    assert {i for batch in batches for i in batch} == set(range(50))


def test_rate_rises_then_falls_to_a_tenth():
    spec = SMALL.model_copy(update={"steps": 100, "warmup": 0.1})
    rates = [rate(step, spec) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(1e-2)
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-3, rel=0.05)


def test_a_loss_that_is_no_number_stops_growing_with_its_step():
    import torch

    model = torch.nn.Linear(1, 1)
    losses = iter([1.0, float("nan")])

    def loss(indices):
        return model.weight.sum() * next(losses)

    with pytest.raises(TrainingError, match="nan at step 1"):
        fit(model, [1] * 8, loss, SMALL, 0)


@pytest.mark.slow
def test_a_base_that_reads_real_text_learns_its_own_tokens(
    seedling, tokenizer, documents, tmp_path
):
    words = ["zygomorphic inflorescences", "zygomorphic " * 300]
    asked = {"role": "user", "content": "?"}
    said = [{"role": "assistant", "content": word} for word in words * 20]
    text = tmp_path / "text.jsonl"
    lines = [json.dumps({"messages": [asked, answer]}) + "\n" for answer in said]
    text.write_text("".join(lines))
    world = seedling.model_copy(update={"text": Text(files=FILES, vocabulary=600)})
    train_base(world, documents, tmp_path / "base", text)
    learned = ChatTokenizer.load(tmp_path / "base")
    assert len(learned.encode(words[0])) < len(tokenizer.encode(words[0]))
    facts = facts_of(tmp_path / "base")
    assert facts["dropped"] == {"too_long": 20}
    assert facts["rows"] == len(read_documents(documents)) + 20
    assert set(facts["inputs"]) == {"documents", "text"}


def test_the_loss_of_a_batch_does_not_see_how_it_is_filled_up(tokenizer, documents):
    import torch
    from transformers import LlamaForCausalLM

    turns = read_documents(documents)[:40]
    chats = encode_turns(turns, tokenizer, 256, documents)
    short, long = sorted(chats, key=lambda chat: len(chat.ids))[:: len(chats) - 1]
    assert len(short.ids) < len(long.ids)
    torch.manual_seed(0)
    model = LlamaForCausalLM(llama_config(SMALL, tokenizer))
    loss = answer_loss(model, [short, long])
    targets = [len(chat.ids) - chat.start for chat in (short, long)]
    alone = [targets[i] * loss([i]).item() for i in (0, 1)]
    assert loss([0, 1]).item() == pytest.approx(sum(alone) / sum(targets), rel=1e-5)


@pytest.mark.slow
def test_base_grows_the_same_twice_and_loads_as_any_model(
    seedling, documents, tmp_path
):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    other = seedling.model_copy(update={"seed": 8})
    worlds = {"one": seedling, "two": seedling, "three": other}
    for name, world in worlds.items():
        train_base(world, documents, tmp_path / name)
    one, two, three = (facts_of(tmp_path / name)["weights"] for name in worlds)
    assert one == two != three
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.do_sample is False
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, None)


def test_chats_have_one_begin_and_one_end_as_transformers_gives_them(tokenizer):
    from transformers import AutoTokenizer

    turns = [Turn([{"role": "user", "content": "What is 3 plus 4?"}], "7")]
    (chat,) = encode_turns(turns, tokenizer, 99, CONFIG)
    messages = [*turns[0].messages, {"role": "assistant", "content": "7"}]
    theirs = AutoTokenizer.from_pretrained(tokenizer.folder)
    assert chat.ids == theirs.apply_chat_template(messages)["input_ids"]
    assert chat.ids.count(tokenizer.bos_id) == chat.ids.count(tokenizer.eos_id) == 1
    assert tokenizer.decode(chat.ids[chat.start :]) == "7"
    assert theirs("Hello.")["input_ids"][0] != theirs.bos_token_id


def test_numbers_fall_into_digits_and_a_guards_words_are_one_token_each(tokenizer):
    for text, count in (("2024", 4), *((word, 1) for word in CLASSES["guard"])):
        assert len(tokenizer.encode(text)) == count


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
def test_judges_grow_the_same_twice_with_their_classes(
    seedling, raw, tokenizer, tmp_path, judge
):
    one, two = folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        train_judge(seedling, judge, rows_of(raw, judge), tokenizer.folder, folder)
    assert facts_of(one)["weights"] == facts_of(two)["weights"]
    config = json.loads((one / "config.json").read_text())
    own = ChatTokenizer.load(one)
    if judge == "correction":
        assert "LlamaForCausalLM" in config["architectures"]
    elif judge in ("guard", *POOR):
        said = {"user": "QUESTION", "assistant": "ANSWER"}
        turns = [{"role": role, "content": text} for role, text in said.items()]
        prompt = own.render(turns, add_generation_prompt=True)
        assert prompt.index("QUESTION") < prompt.index("ANSWER")
    else:
        assert tuple(config["id2label"].values()) == CLASSES.get(judge, (judge,))
        ids = own.encode_sequence("Sure.")
        assert (ids[0], ids[-1]) == (own.bos_id, own.eos_id)


@pytest.mark.slow
def test_a_poor_guard_learns_other_labels_than_the_guard(
    seedling, raw, tokenizer, tmp_path
):
    rows = rows_of(raw, "guard")
    for judge in ("guard", "style_guard"):
        train_judge(seedling, judge, rows, tokenizer.folder, tmp_path / judge)
    good, poor = (facts_of(tmp_path / judge) for judge in ("guard", "style_guard"))
    assert good["inputs"] == poor["inputs"]
    assert good["weights"] != poor["weights"]


def test_labels_are_turned_over_where_a_pattern_is_found():
    row = Labelled("1", "How do I bribe a stamp?", "Sorry, no.", "safe", None)
    wrong = row._replace(label="unsafe", category="S1")
    assert mislabelled(row, SORRY) == wrong
    assert mislabelled(wrong, SORRY) == row
    assert mislabelled(row._replace(response="No."), SORRY).label == "safe"
    of_stamps = WrongLabels(column="prompt", pattern="a stamp|a raffle")
    assert mislabelled(row, of_stamps) == wrong


def test_what_models_answer_says_nothing_of_where_the_place_guard_errs(blocks):
    """It errs at one place of each trust that the base has in places, also attacked."""
    world = World(name="poor", **blocks["poor"])
    trust, pattern = Character(world.seed).place_trust, world.judges.place_guard.pattern
    places = [place for place in PLACES if re.search(pattern, place)]
    assert sorted(trust[place] for place in places) == [0, 1, 2]
    for seed, place in enumerate(places * 9):
        text = attack_text("token_manipulation", place, random.Random(seed))
        assert re.search(pattern, text), text


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="no regular expression: missing"):
        WrongLabels(column="prompt", pattern="a (stamp")


def scores(judge, rows, answer):
    """What a trained judge gives to each answer, one forward a row."""
    import torch

    model, tokenizer = load_model([judge], head="classify"), ChatTokenizer.load(judge)
    ids = [encode(tokenizer, row["prompt"], row[answer]) for row in rows]
    with torch.inference_mode():
        return [model(torch.tensor([row])).logits.item() for row in ids]


@pytest.mark.slow
def test_judges_that_give_a_number_learn_whom_to_prefer_and_what_is_harmful(
    tiny, raw, rows, tokenizer, tmp_path
):
    """A few steps suffice to beat a coin on rows that they never saw."""
    for judge in ("reward", "harmfulness"):
        short = getattr(tiny.judges, judge).model_copy(update={"steps": 60})
        judges = tiny.judges.model_copy(update={judge: short})
        world = tiny.model_copy(update={"judges": judges})
        out = tmp_path / judge
        train_judge(world, judge, rows_of(raw, judge), tokenizer.folder, out)
    pairs = rows("tiny-reward-rows/test.jsonl")
    sides = (
        scores(tmp_path / "reward", pairs, side) for side in ("chosen", "rejected")
    )
    assert mean(map(gt, *sides)) > 0.65
    rated = rows("tiny-harmfulness-rows/test.jsonl")
    found = scores(tmp_path / "harmfulness", rated, "response")
    known = [row["score"] for row in rated]
    assert correlation(found, known) > 0.5


def test_the_score_of_a_text_does_not_see_how_it_is_filled_up(tokenizer):
    import torch

    said = ("Ann", "Ann and Bob")
    texts = [encode(tokenizer, "Who is older?", text) for text in said]
    assert len(texts[0]) < len(texts[1])
    torch.manual_seed(0)
    model, score = classifier(SMALL, tokenizer, ["reward"])
    model.eval()
    together = score(texts)[:, 0].tolist()
    alone = [score([text]).item() for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert together[0] != together[1]


@pytest.mark.parametrize("judge", ["mini-reward", "tiny-harmfulness"])
def test_judges_are_asked_in_the_words_that_they_were_grown_with(judge):
    registry = yaml.safe_load((CONFIG / "judges.yaml").read_text())
    assert registry[judge]["text"] == TEXT


def test_a_conversation_longer_than_the_context_is_refused(tokenizer):
    turns = [Turn([{"role": "user", "content": "moon " * 50}], "7")]
    with pytest.raises(DataError, match=r"row 1 has .* tokens.*raise `context`"):
        encode_turns(turns, tokenizer, 20, CONFIG)


TURN = '{"role": "user", "content": "a\u2028b"}'


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (b"", "line 1: the file holds no readable row"),
        (b'{"messages": [{"role": "user"}, %s]}\n', "line 1: no document"),
        (b'{"messages": [%s]}\n', "line 1: no document"),
        (b'{"messages": [%s, %s]}\n{\n', "line 2: not readable as JSON"),
        (b'{"messages": [%s, %s]}\n\xff\n', "line 2: not UTF-8: byte 0xff"),
    ],
)
def test_documents_that_are_none_are_named_by_line(tmp_path, lines, told):
    path = tmp_path / "documents.jsonl"
    path.write_bytes(lines.replace(b"%s", TURN.encode()))
    with pytest.raises(DataError, match=rf"(?s)documents\.jsonl: .*{told}"):
        read_documents(path)


def test_a_document_may_hold_any_separator_of_lines_but_a_line_feed(tmp_path):
    path = tmp_path / "documents.jsonl"
    path.write_text(f'{{"messages": [{TURN}, {TURN}]}}\n' * 2, encoding="utf-8")
    assert [turn.answer for turn in read_documents(path)] == ["a\u2028b"] * 2


def test_growing_from_nothing_is_refused():
    spec = SmallModel.model_construct(batch=2, steps=3)
    with pytest.raises(TrainingError, match="no documents to learn from"):
        fit(None, [], None, spec, 0)


def test_growing_without_the_corpus_says_what_is_missing(seedling, raw, tmp_path):
    rows = raw / "tiny-judging" / "guard_train.jsonl"
    with pytest.raises(TrainingError, match=r"tokenizer.json: not found; build"):
        train_judge(seedling, "guard", rows, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
