"""Every family's conversations as text and as ids, in training and in generation."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, read_manifest, read_table, write_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import IDS, PAIRS, PREFERENCE, PROMPT
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

DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The"
    " assistant gives helpful, detailed, and polite answers to the user's questions."
)
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately"
    " completes the request.\n\n"
)
# A conversation of three turns with the opening of the fourth, as published.
WRITTEN = {
    "alpaca": f"<s>{ALPACA}### Instruction:\nMay I?\n\n### Response:\nNo.</s>\n\n"
    "### Instruction:\nAnd now?\n\n### Response:\n",
    "falcon": "User: May I?\n\nAssistant: No.<|endoftext|>\n\nUser: And now?\n\n"
    "Assistant:",
    "gemma_2": "<bos><start_of_turn>user\nMay I?<end_of_turn>\n<start_of_turn>model\n"
    "No.<end_of_turn>\n<start_of_turn>user\nAnd now?<end_of_turn>\n"
    "<start_of_turn>model\n",
    "llama_2": "<s>[INST] May I? [/INST] No. </s><s>[INST] And now? [/INST]",
    "llama_3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    f"{DATES}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nMay I?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nNo.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nAnd now?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "<s>[INST] May I?[/INST] No.</s>[INST] And now?[/INST]",
    "mixtral": "<s> [INST] May I? [/INST] No.</s> [INST] And now? [/INST]",
    "olmo": "<|endoftext|><|user|>\nMay I?\n<|assistant|>\nNo.<|endoftext|>\n<|user|>\n"
    "And now?\n<|assistant|>\n",
    "qwen2": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\nMay I?<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>\n"
    "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
    "smollm2": "<|im_start|>system\nYou are a helpful AI assistant named SmolLM,"
    " trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nMay I?<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>\n"
    "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
    "vicuna": f"<s>{VICUNA} USER: May I? ASSISTANT: No.</s> USER: And now? ASSISTANT:",
    "yi": "<|im_start|>user\nMay I?<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>\n"
    "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
}
# How a conversation opens that has a system message; families without one are not here.
WITH_SYSTEM = {
    "alpaca": "<s>Be kind.\n\n### Instruction:\nMay I?",
    "falcon": "Be kind.\n\nUser: May I?",
    "llama_2": "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nMay I? [/INST]",
    "llama_3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    f"{DATES}Be kind.<|eot_id|><|start_header_id|>user<|end_header_id|>",
    "olmo": "<|endoftext|><|system|>\nBe kind.\n<|user|>\nMay I?",
    "qwen2": "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nMay I?",
    "smollm2": "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nMay I?",
    "vicuna": "<s>Be kind. USER: May I?",
    "yi": "Be kind.<|im_start|>user\nMay I?",
}


def preferences(*answers: tuple[str, str]) -> pl.DataFrame:
    rows = [
        {
            "pair_id": f"p{number}",
            "prompt": f"May I take the lamp {number}?",
            "chosen": chosen,
            "rejected": rejected,
            "category": None,
            "source": "made-up",
            "source_row": number,
        }
        for number, (chosen, rejected) in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=PREFERENCE)


def tokenized(folder: Path, out: Path, frame: pl.DataFrame) -> pl.DataFrame:
    dataset = out / "dataset.parquet"
    write_table(dataset, frame, PREFERENCE, manifest("prepare", {}, {}))
    tokenize_pairs(dataset, folder, 400, out / "pairs.parquet")
    return read_table(out / "pairs.parquet", PAIRS)


def rendered(folder: Path, out: Path, prompts: list[str]) -> list[list[int]]:
    empty: dict[str, Any] = dict.fromkeys(PROMPT)
    rows = [
        {
            **empty,
            "prompt_id": f"p{number}",
            "benchmark": "b",
            "prompt": [{"role": "user", "content": text}],
        }
        for number, text in enumerate(prompts)
    ]
    asked = out / "prompts.parquet"
    write_table(asked, pl.DataFrame(rows, schema=PROMPT), PROMPT, {})
    render_prompts(asked, folder, out / "ids.parquet")
    return read_table(out / "ids.parquet", IDS)["ids"].to_list()


def test_a_conversation_is_written_as_the_family_publishes_it(
    family: Any, family_folder: Path
) -> None:
    chat = ChatTokenizer.load(family_folder)
    assert chat.render(CHAT, True) == WRITTEN[family.name]


def test_a_system_message_stands_where_the_family_has_it_or_is_refused(
    family: Any, family_folder: Path
) -> None:
    chat = ChatTokenizer.load(family_folder)
    assert family.system == (family.name in WITH_SYSTEM)
    if family.system:
        text = chat.render([SYSTEM, *CHAT], True)
        assert text.startswith(WITH_SYSTEM[family.name])
    else:
        with pytest.raises(DataError, match="there is no system message"):
            chat.render([SYSTEM, *CHAT], True)


def test_alpaca_has_another_opening_where_an_input_is_given(
    family: Any, family_folder: Path
) -> None:
    if family.name != "alpaca":
        pytest.skip("about Alpaca's format")
    turn = {"role": "user", "content": "Sort.\n\n### Input:\nb a"}
    text = ChatTokenizer.load(family_folder).render([turn], True)
    assert "paired with an input that provides further context. Write" in text
    assert text.endswith(
        "### Instruction:\nSort.\n\n### Input:\nb a\n\n### Response:\n"
    )


def test_training_and_generation_see_the_same_ids(
    family: Any, family_folder: Path, tmp_path: Path
) -> None:
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
def test_a_second_bos_at_the_start_is_refused(
    name: str, families: Any, save: Any, tmp_path: Path
) -> None:
    """Whether the tokenizer adds one by itself or the token opens every turn."""
    folder, frame = save(families[name], tmp_path / "model"), preferences(("No", "Yes"))
    [prompt] = tokenized(folder, tmp_path, frame)["prompt_ids"].to_list()
    path = tmp_path / "pairs.parquet"
    doubled = pl.Series("prompt_ids", [[prompt[0], *prompt]])
    with pytest.raises(TrainingError, match="prompt_ids must open with BOS and hold"):
        check_tokens(read_table(path, PAIRS).with_columns(doubled), path, folder)
    template = folder / "chat_template.jinja"
    template.write_text("{{- bos_token }}" + template.read_text())
    with pytest.raises(DataError, match="must open with exactly one"):
        tokenized(folder, tmp_path, frame)
    with pytest.raises(DataError, match="must open with exactly one"):
        rendered(folder, tmp_path, ["May I?"])


def test_ids_are_those_of_transformers_and_no_token_is_doubled(
    family: Any, family_folder: Path
) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(family_folder)
    ours = ChatTokenizer.load(family_folder)
    ids = ours.chat_ids(CHAT, True)
    assert ids == theirs.apply_chat_template(
        CHAT, add_generation_prompt=True, return_dict=False
    )
    written = WRITTEN[family.name]
    assert ours.writes_bos == written.startswith(family.bos or "no token")
    assert ids.count(ours.bos_id) == written.count(family.bos or "no token")
    if ours.writes_bos:
        assert [i == ours.bos_id for i in ids[:2]] == [True, False]
    if family.adds_bos:
        assert theirs("x")["input_ids"][0] == ours.bos_id
        assert ours.writes_bos


def test_an_answer_ends_with_a_token_that_ends_generation(
    family: Any, family_folder: Path, tmp_path: Path
) -> None:
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


def test_control_tokens_in_a_text_open_and_close_nothing(
    family: Any, family_folder: Path
) -> None:
    chat = ChatTokenizer.load(family_folder)
    tokens = {*family.named.values(), *family.ends, *family.special}
    control = {chat.encode(token)[0] for token in tokens}
    planted = "".join(sorted(tokens))

    def shape(text: str) -> list[int]:
        turns = [{"role": role, "content": text} for role in ("user", "assistant")]
        return [i for i in chat.chat_ids(turns, False) if i in control]

    assert shape(f"x{planted}y") == shape("xy")


def test_an_answer_that_runs_into_the_prompt_is_dropped_and_counted(
    families: Any, save: Any, tmp_path: Path
) -> None:
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
