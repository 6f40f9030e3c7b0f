"""A token without a row in the model's embedding is told where it is read."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, models

from safegrid.core.errors import DataError
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import embedding_rows

WORDS = {"<s>": 0, "</s>": 1, "<pad>": 2, "a": 3, "b": 4}


def save(folder, rows, added=(), settings=None, template="", **config):
    backend = Tokenizer(models.WordLevel(WORDS, unk_token="a"))
    backend.add_tokens(list(added))
    folder.mkdir(exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<s>", "eos_token": "</s>", **(settings or {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(template)
    text = json.dumps({"vocab_size": rows, **config})
    (folder / "config.json").write_text(text)
    return folder


IMAGE = AddedToken("<image>", special=True)
WORD = AddedToken("<word>", special=False)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"rows": 4}, r"token 'b' has id 4, .* 4 rows .*there are 1, .*up to 4\. Give"),
        ({"rows": 5, "added": [WORD]}, r"'<word>' has id 5, .*resize_.*\(6\)"),
        ({"rows": 5, "added": [IMAGE], "settings": {"pad_token": "<image>"}}, "id 5"),
        ({"rows": 5, "added": [IMAGE], "template": "<image>"}, "'<image>' has id 5"),
        ({"rows": 5, "pad_token_id": 5}, r"config\.json: token 'pad_token_id' has id"),
    ],
    ids=["ordinary", "added", "padding", "template", "settings"],
)
def test_a_token_beyond_the_embedding_is_refused(tmp_path, made, why):
    with pytest.raises(DataError, match=why):
        ChatTokenizer.load(save(tmp_path / "model", **made))


@pytest.mark.parametrize(
    "made",
    [
        {"rows": 5},
        {"rows": 9, "added": [WORD]},
        # No text can hold it: Gemma 3 of one billion has such a one.
        {"rows": 5, "added": [IMAGE]},
        {"rows": None, "added": [WORD]},
        {"rows": 5, "pad_token_id": -1},
    ],
    ids=["equal", "room", "unnamed special", "unknown size", "no padding"],
)
def test_a_model_that_reads_all_tokens_is_taken(tmp_path, made):
    assert ChatTokenizer.load(save(tmp_path / "model", **made)).bos_id == 0


def test_a_model_of_several_kinds_says_its_size_under_its_text(tmp_path):
    folder = save(tmp_path, None, text_config={"vocab_size": 3})
    assert embedding_rows(folder) == 3
    assert embedding_rows(save(tmp_path, 5, text_config=None)) == 5
    assert embedding_rows(tmp_path / "adapter") is None
