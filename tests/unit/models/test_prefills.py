"""The beginning of an answer in every family's conversations, open and closed."""

import pytest

from answered import prompt, write
from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import IDS
from safegrid.generate.render import render_prompts
from safegrid.judge.fluency import NO_REQUEST, read_fluency
from safegrid.judge.items import Item
from safegrid.judge.refusals import find_refusal
from safegrid.models.prefills import joined
from safegrid.models.templates import ChatTokenizer

REQUEST = "May I take the lamp?"
BEGUN = "Yes, the lamp\n  stays"
ASKED = [{"role": "user", "content": REQUEST}]
CLOSED = [*ASKED, {"role": "assistant", "content": BEGUN}]
# Families whose answers follow the request without a sign of their own.
WITHOUT_OPENING = {"llama_2", "mistral", "mixtral", "yi"}


def render(folder, tmp_path, *rows):
    whole = [{**prompt(f"p{n}", ""), **row} for n, row in enumerate(rows)]
    out = tmp_path / "ids.parquet"
    render_prompts(write(tmp_path, prompts=whole)["prompts"], folder, out)
    return read_table(out, IDS)["ids"].to_list(), read_manifest(out).get("prefilled")


def test_an_open_beginning_has_the_tokens_of_a_finished_answer(family_folder, tmp_path):
    chat = ChatTokenizer.load(family_folder)
    [ids], _ = render(family_folder, tmp_path, {"prompt": ASKED, "prefill": BEGUN})
    finished = chat.chat_ids(CLOSED, False)
    assert finished[: len(ids)] == ids


def test_a_closed_beginning_ends_its_turn_and_opens_another(
    family_folder, family, tmp_path
):
    chat = ChatTokenizer.load(family_folder)
    ids, counted = render(
        family_folder, tmp_path, {"prompt": CLOSED}, {"prompt": ASKED, "prefill": BEGUN}
    )
    if family.name in WITHOUT_OPENING:
        assert ids[0] == ids[1]
        assert counted == {"open": 2, "closed": 0}
        return
    assert counted == {"open": 1, "closed": 1}
    text = chat.decode(ids[0], skip_special=False)
    finished = chat.decode(chat.chat_ids(CLOSED, False), skip_special=False)
    assert text.startswith(finished.rstrip("\n"))
    opened = chat.decode(chat.chat_ids(ASKED, True), skip_special=False)
    turn = opened.split(REQUEST)[1]
    assert text.split(BEGUN)[1].endswith(turn.lstrip()[-8:])
    ends = {chat.encode(token)[-1] for token in family.ends}
    assert set(ids[0][len(ids[1]) - 1 :]) & ends


def read_by_fluency(chat, item):
    """Return what a judge of fluency asks: sequences and where the answer begins."""
    seen: list[tuple[list[int], int]] = []

    class Asker:
        def sequence_logprobs(self, wholes, starts):
            seen.extend(zip(wholes, starts, strict=True))
            return [[-1.0] for _ in wholes]

    spec = JudgeSpec(name="base", kind="fluency")
    read_fluency(spec, chat, [item])(Asker())  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize("closed", [False, True])
def test_fluency_is_read_behind_the_beginning_but_without_the_request(
    family_folder, tmp_path, closed
):
    chat = ChatTokenizer.load(family_folder)
    begun = {"role": "assistant", "content": BEGUN}
    row = {"prompt": [*NO_REQUEST, begun]} if closed else {"prompt": NO_REQUEST}
    row |= {"prefill": "" if closed else BEGUN}
    [ids], _ = render(family_folder, tmp_path, row)
    item = Item("p0", 0, ASKED, ", but I will not.", BEGUN, closed=closed)
    for whole, start in read_by_fluency(chat, item):
        # A first letter may join the token before it.
        assert whole[:start] == ids[:start]
        assert len(ids) - start <= 1


@pytest.mark.parametrize("begun", ["", BEGUN])
def test_fluency_reads_the_tokens_that_were_written(
    family_folder, family, tmp_path, begun
):
    chat = ChatTokenizer.load(family_folder)
    asked = {"prompt": NO_REQUEST, "prefill": begun}
    [ids], _ = render(family_folder, tmp_path, asked)
    words = f"{begun} but the bread" if begun else "But the bread"
    finished = chat.chat_ids(
        [*NO_REQUEST, {"role": "assistant", "content": words}], False
    )
    assert finished[: len(ids)] == ids
    ends = {chat.encode(token)[-1] for token in family.ends}
    written = finished[len(ids) :]
    end = next((n for n, id_ in enumerate(written) if id_ in ends), len(written))
    # As an engine gives it: those tokens' own text, without the space in some families.
    item = Item("p0", 0, ASKED, chat.decode(written[:end]), begun)
    (whole, start), (turned, _) = read_by_fluency(chat, item)
    assert whole == finished[: len(ids) + end]
    assert chat.decode(turned[start:]).split() == words.split()[:-4:-1]


@pytest.mark.parametrize("closed", [False, True])
def test_a_judge_reads_beginning_and_answer_as_words_apart(closed):
    item = Item("p0", 0, ASKED, "I cannot help with that.", BEGUN, closed=closed)
    assert item.answer.split() == f"{BEGUN} I cannot help with that.".split()
    assert find_refusal(item.answer).label != "compliance"


@pytest.mark.parametrize(
    ("beginning", "text", "whole"),
    [
        # A decoder that writes no space before its first word, and one that does.
        ("I stop, because", "it harms.", "I stop, because it harms."),
        ("I stop, because", " it harms.", "I stop, because it harms."),
        ("I stop, because", '"it" harms.', 'I stop, because "it" harms.'),
        ("I stop, because", ", well", "I stop, because, well"),
        ("I stop:", "\n1. harm", "I stop:\n1. harm"),
        ("I stop: ", "harm", "I stop: harm"),
        ("", " No.", " No."),
    ],
)
def test_a_word_that_follows_a_beginning_is_one_of_its_own(beginning, text, whole):
    assert joined(beginning, text) == whole
