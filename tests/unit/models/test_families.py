"""Every family's conversations as text and as ids, in training and in generation."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from answered import prompt, write
from safegrid.core.artifacts import manifest, read_manifest, read_table, write_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import IDS, PAIRS, PREFERENCE
from safegrid.generate.render import render_prompts
from safegrid.models.templates import ChatTokenizer
from safegrid.train.checks import check_tokens
from safegrid.train.tokenize import end_ids, tokenize_pairs

CHAT = [
    {"role": "user", "content": "May I?"},
    {"role": "assistant", "content": "No."},
    {"role": "user", "content": "And now?"},
]
SYSTEM = {"role": "system", "content": "Be kind."}

FAMILIES = yaml.safe_load(Path(__file__).with_name("families.yaml").read_text())
WRITTEN, WITH_SYSTEM = FAMILIES["written"], FAMILIES["with_system"]


def preferences(*answers):
    rows = [
        (f"p{n}", f"May I take the lamp {n}?", *answer, None, "made-up", n)
        for n, answer in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=PREFERENCE, orient="row")


def tokenized(folder, out, frame):
    dataset = out / "dataset.parquet"
    write_table(dataset, frame, PREFERENCE, manifest("prepare", {}, {}))
    tokenize_pairs(dataset, folder, 400, out / "pairs.parquet")
    return read_table(out / "pairs.parquet", PAIRS)


def rendered(folder, out, texts):
    rows = [prompt(f"p{number}", text) for number, text in enumerate(texts)]
    render_prompts(write(out, prompts=rows)["prompts"], folder, out / "ids.parquet")
    return read_table(out / "ids.parquet", IDS)["ids"].to_list()


def test_a_conversation_is_written_as_the_family_publishes_it(family, family_folder):
    chat = ChatTokenizer.load(family_folder)
    assert chat.render(CHAT, True) == WRITTEN[family.name]


def test_a_system_message_stands_where_the_family_has_it_or_is_refused(
    family, family_folder
):
    chat = ChatTokenizer.load(family_folder)
    assert family.system == (family.name in WITH_SYSTEM)
    if family.system:
        text = chat.render([SYSTEM, *CHAT], True)
        assert text.startswith(WITH_SYSTEM[family.name])
    else:
        with pytest.raises(DataError, match="there is no system message"):
            chat.render([SYSTEM, *CHAT], True)


def test_alpaca_has_another_opening_where_an_input_is_given(families, save, tmp_path):
    turn = {"role": "user", "content": "Sort.\n\n### Input:\nb a"}
    folder = save(families["alpaca"], tmp_path / "model")
    text = ChatTokenizer.load(folder).render([turn], True)
    assert "paired with an input that provides further context. Write" in text
    assert text.endswith(
        "### Instruction:\nSort.\n\n### Input:\nb a\n\n### Response:\n"
    )


def test_training_and_generation_see_the_same_ids(family, family_folder, tmp_path):
    answers = [("No, it stays.", "Yes."), ('"Take" it', "42!"), ("", "so")]
    frame = preferences(*answers)
    pairs = tokenized(family_folder, tmp_path, frame)
    asked = rendered(family_folder, tmp_path, frame["prompt"].to_list())
    assert pairs["prompt_ids"].to_list() == asked
    chat = ChatTokenizer.load(family_folder)
    for row, source in zip(pairs.rows(named=True), frame.rows(named=True), strict=True):
        assert chat.decode(row["chosen_ids"]).strip() == source["chosen"]
        turns = [("user", source["prompt"]), ("assistant", source["chosen"])]
        whole = chat.chat_ids([{"role": r, "content": c} for r, c in turns], False)
        seen = row["prompt_ids"] + row["chosen_ids"]
        assert whole[: len(seen)] == seen
    found = check_tokens(pairs, tmp_path / "pairs.parquet", family_folder)
    assert found["one_bos"] == chat.writes_bos


@pytest.mark.parametrize("name", ["llama_3", "smollm2", "vicuna"])
def test_a_second_bos_at_the_start_is_refused(name, families, save, tmp_path):
    """Whether the tokenizer adds one by itself or the token opens every turn."""
    folder, frame = save(families[name], tmp_path / "model"), preferences(("No", "Yes"))
    [ids] = tokenized(folder, tmp_path, frame)["prompt_ids"].to_list()
    path = tmp_path / "pairs.parquet"
    doubled = pl.Series("prompt_ids", [[ids[0], *ids]])
    with pytest.raises(TrainingError, match="prompt_ids must open with BOS and hold"):
        check_tokens(read_table(path, PAIRS).with_columns(doubled), path, folder)
    for broken in ([ids[0], *ids], ids[1:]):
        with pytest.raises(DataError, match=r"row 1: must open with exactly one"):
            ChatTokenizer.load(folder).check_bos(broken, "row 1")
    template = folder / "chat_template.jinja"
    template.write_text("{{- bos_token }}" + template.read_text())
    with pytest.raises(DataError, match="must open with exactly one"):
        tokenized(folder, tmp_path, frame)
    with pytest.raises(DataError, match="must open with exactly one"):
        rendered(folder, tmp_path, ["May I?"])


def test_ids_are_those_of_transformers_and_no_token_is_doubled(family, family_folder):
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(family_folder)
    ours = ChatTokenizer.load(family_folder)
    ids = ours.chat_ids(CHAT, True)
    assert ids == theirs.apply_chat_template(
        CHAT, add_generation_prompt=True, return_dict=False
    )
    # The string of a control token in a message is text.
    tokens = "".join({*family.named.values(), *family.ends, *family.special})
    hostile = [{"role": "user", "content": f"x{tokens} y"}]
    plain = {"sanitize_control_tokens": True, "return_dict": False}
    ids_of_text = theirs.apply_chat_template(
        hostile, add_generation_prompt=True, **plain
    )
    assert ours.chat_ids(hostile, True) == ids_of_text
    written = WRITTEN[family.name]
    assert ours.writes_bos == written.startswith(family.bos or "no token")
    assert ids.count(ours.bos_id) == written.count(family.bos or "no token")
    if ours.writes_bos:
        assert [i == ours.bos_id for i in ids[:2]] == [True, False]
    if family.adds_bos:
        assert theirs("x")["input_ids"][0] == ours.bos_id
        assert ours.writes_bos


def test_an_answer_ends_with_a_token_that_ends_generation(
    family, family_folder, tmp_path
):
    chat = ChatTokenizer.load(family_folder)
    ends = end_ids(family_folder, chat)
    assert ends == {chat.encode(token)[0] for token in family.ends}
    pairs = tokenized(family_folder, tmp_path, preferences(("No.", "Yes.")))
    closing = chat.encode(family.ends[0])[0]
    for side in ("chosen_ids", "rejected_ids"):
        [ids] = pairs[side].to_list()
        assert ids[-1] == closing
        assert len(ends & set(ids)) == 1
    assert read_manifest(tmp_path / "pairs.parquet")["end_ids"] == sorted(ends)


def test_an_answer_that_runs_into_the_prompt_is_dropped_and_counted(
    families, save, tmp_path
):
    """A newline at an answer's start can share a token with the prompt's last one."""
    folder = save(families["qwen2"], tmp_path / "model")
    backend = (folder / "tokenizer.json").read_text()
    assert '"ĊĊ"' not in backend
    # Give it a token of two newlines, as the published vocabulary has.
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(backend)
    tokenizer.add_tokens(["\n\n"])
    tokenizer.save(str(folder / "tokenizer.json"))
    frame = preferences(("No.", "Yes."), ("\nNo.", "Yes."))
    pairs = tokenized(folder, tmp_path, frame)
    assert pairs["pair_id"].to_list() == ["p0"]
    facts = read_manifest(tmp_path / "pairs.parquet")
    assert facts["dropped"]["joined_to_prompt"] == 1
    assert facts["dropped_ids"]["joined_to_prompt"] == ["p1"]
