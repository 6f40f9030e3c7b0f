"""A GGUF file becomes a model's folder with the same numbers and the same tokens."""

import json
import re

import pytest

import made_up_gguf
from safegrid.config.lock import FetchSpec
from safegrid.core.errors import DataError
from safegrid.fetch.convert import convert_gguf
from safegrid.fetch.run import fetch_model
from safegrid.models.checkpoints import load_model, weights_of
from safegrid.models.gguf_files import check_gguf
from safegrid.models.templates import ChatTokenizer

MODEL = "it.Q4_1.gguf"
TURN = [{"role": "user", "content": "a\n\n1"}]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "own").mkdir()
    return tmp_path / "own" / MODEL


def converted(path, tmp_path, template=None):
    out = tmp_path / "bases/it"
    out.parent.mkdir(exist_ok=True)
    convert_gguf(path, template, out)
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file, the model that it holds by transformers, and the folder made of it."""
    folder = tmp_path_factory.mktemp("gguf")
    own = folder / "own"
    own.mkdir()
    same = made_up_gguf.write_llama(own / MODEL)
    # As a user's own folder is fetched, and then converted.
    spec = FetchSpec(kind="base", name="it", path="own", gguf=MODEL)
    fetch_model(spec, folder / "gguf", own)
    return same, converted(folder / "gguf" / MODEL, folder)


def test_the_folder_computes_what_the_file_says(model):
    import torch

    same, folder = model
    loaded = load_model([folder])
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, same(ids).logits)
    assert loaded.config.tie_word_embeddings
    assert not hasattr(loaded.config, "quantization_config")


def test_the_manifest_names_the_quantisation_and_the_file(model):
    _, folder = model
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["quantisation"] == "Q4_1"
    assert set(manifest["tensor_types"]) == {"F32", "Q4_1", "Q8_0"}
    assert manifest["architecture"] == "llama"
    assert (manifest["file"], manifest["template"]) == (MODEL, "the checkpoint's")
    assert set(manifest["inputs"]) == {"gguf"}
    assert weights_of(folder) == manifest["weights"]
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        "manifest.json",
    }
    assert not (folder.parent.parent / "gguf/chat_template.jinja").exists()


def test_the_tokenizer_is_the_files(model):
    from safegrid.models.pretrained import load_tokenizer

    _, folder = model
    ours, theirs = ChatTokenizer.load(folder), load_tokenizer(folder)
    assert (ours.bos_id, ours.eos_id, ours.pad_id) == (1, 2, 2)
    assert theirs.unk_token_id == 0
    newlines, one = ours.encode("\n\n"), ours.encode("1")
    assert len(newlines) == 1
    # Digits are split off first, as its merges were learned; GPT-2 would not.
    assert ours.encode("\n\n1") == [*newlines, *one]
    assert theirs("\n\n1").input_ids == ours.encode("\n\n1")
    assert ours.render(TURN, add_generation_prompt=True) == (
        "<|im_start|>a\n\n1<|im_end|>"
    )
    settings = json.loads((folder / "generation_config.json").read_text())
    assert (settings["eos_token_id"], settings["bos_token_id"]) == (2, 1)


def test_a_bos_that_the_file_asks_for_is_added_and_a_template_where_it_has_none(
    path, tmp_path
):
    from safegrid.models.pretrained import load_tokenizer

    made_up_gguf.write_llama(path, split="gpt-2", add_bos=True, template=None)
    folder = converted(path, tmp_path, "{{ ours }}")
    assert (folder / "chat_template.jinja").read_text() == "{{ ours }}"
    tokenizer = load_tokenizer(folder)
    newline = ChatTokenizer.load(folder).encode("\n")
    one = ChatTokenizer.load(folder).encode("1")
    assert tokenizer("\n\n1").input_ids == [1, *newline, *newline, *one]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["template"] == "the configuration's"


def refusal(path):
    with pytest.raises(DataError) as caught:
        check_gguf(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("architecture", "split", "with_weight", "said"),
    [
        ("odd", "smollm", True, "cannot read a GGUF file of its architecture.*odd"),
        ("llama", "smollm", False, "holds no weights"),
        ("llama", "superbpe", True, "superbpe.*texts would become"),
        ("llama", None, True, "in a way not told"),
    ],
)
def test_a_file_that_no_model_comes_of_is_refused(
    path, architecture, split, with_weight, said
):
    out = made_up_gguf.writer(path, architecture)
    made_up_gguf.add_tokenizer(out, split=split)
    if with_weight:
        made_up_gguf.add_weight(out)
    made_up_gguf.close(out)
    assert re.search(said, refusal(path))


def test_a_file_without_a_tokenizer_is_refused(path):
    out = made_up_gguf.writer(path)
    out.add_block_count(1)
    made_up_gguf.close(out)
    assert "holds no tokenizer" in refusal(path)


@pytest.mark.parametrize("kept", [0, 3, 100, 5000, -1])
def test_a_file_that_is_cut_off_is_refused(path, kept):
    made_up_gguf.write_llama(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    assert "is no whole GGUF file" in refusal(path)


def test_a_file_that_lacks_a_weight_leaves_no_folder(path, tmp_path):
    made_up_gguf.write_llama(path, lost="blk.1.ffn_up.weight")
    out = tmp_path / "bases/it"
    with pytest.raises(DataError, match="1 weights of the model are not in it"):
        converted(path, tmp_path)
    assert list(out.parent.iterdir()) == []
