"""Grown models: the loop's parts, the tokens they are given, and that they repeat."""

import json
import random
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest
import yaml

from miniworld.base import read_documents, train_base
from miniworld.check import check_harmfulness, check_reward
from miniworld.corrections import build_corrections
from miniworld.judges import CLASSES, TEXT, classifier, encode, train_judge
from miniworld.models import llama_config
from miniworld.training import (
    Turn,
    answer_loss,
    batches_of_one_length,
    encode_turns,
    fit,
    rate,
)
from safegrid.config import World
from safegrid.config.world import JudgeName, SmallModel, Text, TextFile
from safegrid.core.errors import DataError, TrainingError
from safegrid.models.templates import ChatTokenizer

CONFIG = Path(__file__).parents[3] / "config"
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)
SMALL = SmallModel(
    hidden=16,
    layers=1,
    heads=2,
    feed_forward=16,
    steps=3,
    batch=8,
    learning_rate=1e-2,
)
FILES = [TextFile(source="any", file="any")]


@pytest.fixture(scope="module")
def seedling(tiny: World) -> World:
    judges = tiny.judges.model_copy(update=dict.fromkeys(JUDGES, SMALL))
    return tiny.model_copy(update={"base": SMALL, "judges": judges})


def weights(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_text())["weights"])


def test_batches_are_of_one_length_and_forget_nobody() -> None:
    lengths = [random.Random(0).choice([3, 4, 5]) for _ in range(50)]
    stream = batches_of_one_length(lengths, 4, random.Random(1))
    batches = list(islice(stream, 60))
    assert all(len({lengths[i] for i in batch}) == 1 for batch in batches)
    assert all(len(set(batch)) == 4 for batch in batches[:10])
    assert {i for batch in batches for i in batch} == set(range(50))


def test_rate_rises_then_falls_to_a_tenth() -> None:
    spec = SMALL.model_copy(update={"steps": 100, "warmup": 0.1})
    rates = [rate(step, spec) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(1e-2)
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-3, rel=0.05)


def test_a_loss_that_is_no_number_stops_growing_with_its_step() -> None:
    import torch

    model = torch.nn.Linear(1, 1)
    losses = iter([1.0, float("nan")])

    def loss(indices: list[int]) -> torch.Tensor:
        return model.weight.sum() * next(losses)

    with pytest.raises(TrainingError, match="nan at step 1"):
        fit(model, [1] * 8, loss, SMALL, 0)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_base_that_reads_real_text_learns_its_own_tokens(
    seedling: World, raw: Path, tmp_path: Path
) -> None:
    words = ["zygomorphic inflorescences", "zygomorphic " * 300]
    asked = {"role": "user", "content": "?"}
    said = [{"role": "assistant", "content": word} for word in words * 20]
    text = tmp_path / "text.jsonl"
    lines = [json.dumps({"messages": [asked, answer]}) + "\n" for answer in said]
    text.write_text("".join(lines))
    world = seedling.model_copy(update={"text": Text(files=FILES, vocabulary=600)})
    documents = raw / "tiny-corpus" / "documents.jsonl"
    train_base(world, documents, tmp_path / "base", text)
    tokenizer = ChatTokenizer.load(tmp_path / "base")
    plain = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    assert len(tokenizer.encode(words[0])) < len(plain.encode(words[0]))
    facts = json.loads((tmp_path / "base" / "manifest.json").read_text())
    assert facts["dropped"] == {"too_long": 20}
    assert facts["rows"] == len(read_documents(documents)) + 20
    assert set(facts["inputs"]) == {"documents", "text"}


def test_the_loss_of_a_batch_does_not_see_how_it_is_filled_up(raw: Path) -> None:
    import torch
    from transformers import LlamaForCausalLM

    tokenizer = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    turns = read_documents(raw / "tiny-corpus" / "documents.jsonl")[:40]
    chats = encode_turns(turns, tokenizer, 256, raw)
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
    seedling: World, raw: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    documents = raw / "tiny-corpus" / "documents.jsonl"
    for name in ("one", "two"):
        train_base(seedling, documents, tmp_path / name)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
    other = seedling.model_copy(update={"seed": 8})
    train_base(other, documents, tmp_path / "three")
    assert weights(tmp_path / "three") != weights(tmp_path / "one")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.do_sample is False
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, None)


def test_chats_have_one_begin_and_one_end_as_transformers_gives_them(raw: Path) -> None:
    from transformers import AutoTokenizer

    folder = raw / "tiny-corpus" / "tokenizer"
    turns = [Turn([{"role": "user", "content": "What is 3 plus 4?"}], "7")]
    ours = ChatTokenizer.load(folder)
    (chat,) = encode_turns(turns, ours, 99, raw)
    messages = [*turns[0].messages, {"role": "assistant", "content": "7"}]
    theirs = AutoTokenizer.from_pretrained(folder)
    assert chat.ids == theirs.apply_chat_template(messages)["input_ids"]
    assert chat.ids.count(ours.bos_id) == 1  # type: ignore[arg-type]
    assert chat.ids.count(ours.eos_id) == 1  # type: ignore[arg-type]
    assert ours.decode(chat.ids[chat.start :]) == "7"
    assert theirs("Hello.")["input_ids"][0] != theirs.bos_token_id


def test_numbers_fall_into_single_digits(raw: Path) -> None:
    tokenizer = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    assert len(tokenizer.encode("2024")) == 4


def test_guard_words_are_one_token_each(raw: Path) -> None:
    tokenizer = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    assert [len(tokenizer.encode(word)) for word in CLASSES["guard"]] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
def test_judges_grow_the_same_twice_with_their_classes(
    seedling: World, raw: Path, tmp_path: Path, judge: JudgeName
) -> None:
    rows = raw / "tiny-judging" / f"{judge}_train.jsonl"
    if judge == "correction":
        build_corrections(seedling, tmp_path / "rows")
        rows = tmp_path / "rows" / "train.jsonl"
    elif judge not in CLASSES:
        rows = raw / f"tiny-{judge}-rows" / "train.jsonl"
    tokenizer = raw / "tiny-corpus" / "tokenizer"
    for name in ("one", "two"):
        train_judge(seedling, judge, rows, tokenizer, tmp_path / name)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    if judge == "correction":
        assert "LlamaForCausalLM" in config["architectures"]
    elif judge == "guard":
        prompt = ChatTokenizer.load(tmp_path / "one").render(
            [
                {"role": "user", "content": "QUESTION"},
                {"role": "assistant", "content": "ANSWER"},
            ],
            add_generation_prompt=True,
        )
        assert prompt.index("QUESTION") < prompt.index("ANSWER")
    else:
        assert tuple(config["id2label"].values()) == CLASSES.get(judge, (judge,))
        read = ChatTokenizer.load(tmp_path / "one")
        ids = read.encode_sequence("Sure.")
        assert (ids[0], ids[-1]) == (read.bos_id, read.eos_id)


@pytest.mark.slow
def test_judges_that_give_a_number_learn_whom_to_prefer_and_what_is_harmful(
    tiny: World, raw: Path, tmp_path: Path
) -> None:
    """A few steps suffice to beat a coin on rows that they never saw."""
    tokenizer = raw / "tiny-corpus" / "tokenizer"
    short = {"steps": 60}
    judges = {
        name: getattr(tiny.judges, name).model_copy(update=short)
        for name in ("reward", "harmfulness")
    }
    world = tiny.model_copy(update={"judges": tiny.judges.model_copy(update=judges)})
    found = {}
    for judge, check in (
        ("reward", check_reward),
        ("harmfulness", check_harmfulness),
    ):
        folder = raw / f"tiny-{judge}-rows"
        train_judge(world, judge, folder / "train.jsonl", tokenizer, tmp_path / judge)  # type: ignore[arg-type]
        found[judge] = check(folder / "test.jsonl", tmp_path / judge)
    assert found["reward"] > 0.65
    assert found["harmfulness"] > 0.5


def test_the_score_of_a_text_does_not_see_how_it_is_filled_up(raw: Path) -> None:
    import torch

    tokenizer = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    texts = [
        encode(tokenizer, "Who is older?", said) for said in ("Ann", "Ann and Bob")
    ]
    assert len(texts[0]) < len(texts[1])
    torch.manual_seed(0)
    model, score = classifier(SMALL, tokenizer, ["reward"])
    model.eval()
    together = score(texts)[:, 0].tolist()
    alone = [score([text]).item() for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert together[0] != together[1]


@pytest.mark.parametrize("judge", ["mini-reward", "tiny-harmfulness"])
def test_judges_are_asked_in_the_words_that_they_were_grown_with(judge: str) -> None:
    registry = yaml.safe_load((CONFIG / "judges.yaml").read_text())
    assert registry[judge]["text"] == TEXT


def test_a_conversation_longer_than_the_context_is_refused(raw: Path) -> None:
    tokenizer = ChatTokenizer.load(raw / "tiny-corpus" / "tokenizer")
    turns = [Turn([{"role": "user", "content": "moon " * 50}], "7")]
    with pytest.raises(DataError, match=r"row 1 has .* tokens.*raise `context`"):
        encode_turns(turns, tokenizer, 20, raw)


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
def test_documents_that_are_none_are_named_by_line(
    tmp_path: Path, lines: bytes, told: str
) -> None:
    path = tmp_path / "documents.jsonl"
    path.write_bytes(lines.replace(b"%s", TURN.encode()))
    with pytest.raises(DataError, match=rf"(?s)documents\.jsonl: .*{told}"):
        read_documents(path)


def test_a_document_may_hold_any_separator_of_lines_but_a_line_feed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "documents.jsonl"
    path.write_text(f'{{"messages": [{TURN}, {TURN}]}}\n' * 2, encoding="utf-8")
    assert [turn.answer for turn in read_documents(path)] == ["a\u2028b"] * 2


def test_growing_from_nothing_is_refused() -> None:
    spec = SmallModel.model_construct(batch=2, steps=3)
    with pytest.raises(TrainingError, match="no documents to learn from"):
        fit(None, [], None, spec, 0)  # type: ignore[arg-type]


def test_growing_without_the_corpus_says_what_is_missing(
    seedling: World, raw: Path, tmp_path: Path
) -> None:
    rows = raw / "tiny-judging" / "guard_train.jsonl"
    with pytest.raises(TrainingError, match=r"tokenizer.json: not found; build"):
        train_judge(seedling, "guard", rows, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
