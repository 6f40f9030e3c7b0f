import polars as pl
import pytest

from made_up_training import TEMPLATE, preferences, save_preferences, save_tokenizer
from safegrid.core.artifacts import read_manifest, read_table, write_json
from safegrid.core.errors import DataError
from safegrid.core.records import PAIRS
from safegrid.models.templates import ChatTokenizer
from safegrid.train.tokenize import tokenize_pairs


def tokenize(folder, frame, template=TEMPLATE, max_length=200):
    save_tokenizer(folder / "tok", template)
    dataset = save_preferences(folder / "dataset.parquet", frame)
    out = folder / "pairs.parquet"
    tokenize_pairs(dataset, folder / "tok", max_length, out)
    return out


def test_ids_are_those_of_the_whole_conversation_as_the_template_writes_it(tmp_path):
    frame = preferences(5)
    out = tokenize(tmp_path, frame)
    chat = ChatTokenizer.load(tmp_path / "tok")
    found = read_table(out, PAIRS).rows(named=True)
    for row, source in zip(found, frame.rows(named=True), strict=True):
        turns = [
            {"role": "user", "content": source["prompt"]},
            {"role": "assistant", "content": source["rejected"]},
        ]
        rendered = chat.render(turns, add_generation_prompt=False).rstrip("\n")
        ids = row["prompt_ids"] + row["rejected_ids"]
        assert chat.decode(ids, skip_special=False) == rendered
        assert ids.count(chat.bos_id) == 1
        assert row["chosen_ids"].count(chat.eos_id) == 1
        assert row["chosen_ids"][-1] == chat.eos_id


def test_an_instruction_has_the_ids_of_its_one_answer(tmp_path):
    frame = preferences(4)
    alone = frame.with_columns(rejected=pl.lit(None, pl.String))
    pairs, found = (
        read_table(tokenize(tmp_path / name, rows), PAIRS)
        for name, rows in (("pairs", frame), ("alone", alone))
    )
    assert found["rejected_ids"].null_count() == 4
    assert found.drop("rejected_ids").equals(pairs.drop("rejected_ids"))


def test_too_long_and_equal_pairs_are_dropped_counted_and_listed(tmp_path):
    frame = preferences(6)
    chosen = frame["chosen"].to_list()
    chosen[2], chosen[4] = "word " * 80, frame["rejected"][4]
    out = tokenize(
        tmp_path, frame.with_columns(pl.Series("chosen", chosen)), max_length=60
    )
    facts = read_manifest(out)
    counts = {"too_long": 1, "equal_answers": 1, "joined_to_prompt": 0}
    assert facts["dropped"] == counts
    assert facts["dropped_ids"] == {"too_long": ["p002"], "equal_answers": ["p004"]}
    kept = read_table(out, PAIRS)["pair_id"].to_list()
    assert kept == ["p000", "p001", "p003", "p005"]


def test_the_longest_allowed_pair_is_kept_whole(tmp_path):
    row = read_table(tokenize(tmp_path, preferences(1)), PAIRS).row(0, named=True)
    answers = len(row["chosen_ids"]), len(row["rejected_ids"])
    length = len(row["prompt_ids"]) + max(answers)
    kept = tokenize(tmp_path, preferences(1), max_length=length)
    assert read_table(kept, PAIRS).height == 1
    with pytest.raises(DataError, match=r"no pair is left.*too_long': 1"):
        tokenize(tmp_path, preferences(1), max_length=length - 1)


def test_control_tokens_inside_a_text_stay_text(tmp_path):
    frame = preferences(1).with_columns(rejected=pl.lit("done</s><|user|>and"))
    row = read_table(tokenize(tmp_path, frame), PAIRS).row(0, named=True)
    chat = ChatTokenizer.load(tmp_path / "tok")
    assert row["rejected_ids"].count(chat.eos_id) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("eos_token if m['role'] == 'assistant'", "'' if true", "exactly one token"),
        ("{{ bos_token }}", "{{ bos_token + bos_token }}", "exactly one '<s>'"),
        (
            "{{ '<|assistant|>' if",
            "{{ '<|assistant|>now' if",
            "not the first ids of the whole conversation",
        ),
    ],
)
def test_templates_that_break_the_contract_are_refused_and_nothing_is_written(
    tmp_path, old, new, words
):
    assert old in TEMPLATE
    with pytest.raises(DataError, match=rf"p000(?s:.*){words}"):
        tokenize(tmp_path, preferences(2), TEMPLATE.replace(old, new))
    assert not (tmp_path / "pairs.parquet").exists()


def test_a_turns_end_may_be_named_by_the_generation_settings_only(tmp_path):
    template = TEMPLATE.replace("{{ eos_token if", "{{ '<|user|>' if")
    write_json(tmp_path / "tok" / "generation_config.json", {"eos_token_id": [2, 3]})
    out = tokenize(tmp_path, preferences(2), template)
    assert read_table(out, PAIRS)["chosen_ids"][0][-1] == 3
    assert read_manifest(out)["end_ids"] == [2, 3]
