"""What several rooms' unit tests share: a model's folder without a model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<s>", "</s>", "<pad>", "<user>", "<bot>"]
BASE_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<user>"
    "{{ m['content'] }}{% else %}<bot>{{ m['content'] }}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)
# Like Llama Guard's: the conversation is quoted inside one user turn, with labels.
GUARD_TEMPLATE = (
    "{{ bos_token }}<user>Is the last Agent message safe?\n"
    "{% for m in messages %}{% if m['role'] == 'user' %}User: {% else %}Agent: "
    "{% endif %}{{ m['content'] | trim }}\n{% endfor %}<bot>"
)
TEXTS = ["what is the sum of two and three", "safe", "unsafe\nS1,S10", "yes", "no"]

MakeFolder = Callable[[str, str | None], Path]


@pytest.fixture(scope="session")
def backend_json() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    return str(tokenizer.to_str())


@pytest.fixture
def make_folder(tmp_path: Path, backend_json: str) -> MakeFolder:
    """Return a maker of model folders: name and chat template to folder."""

    def make(name: str, template: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        settings = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        if template is not None:
            settings["chat_template"] = template
        (folder / "tokenizer.json").write_text(backend_json)
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (folder / "manifest.json").write_text(json.dumps({"weights": f"{name}-w"}))
        return folder

    return make


@pytest.fixture
def base_folder(make_folder: MakeFolder) -> Path:
    return make_folder("base", BASE_TEMPLATE)


@pytest.fixture
def guard_folder(make_folder: MakeFolder) -> Path:
    return make_folder("guard", GUARD_TEMPLATE)
