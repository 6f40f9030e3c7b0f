"""The model families of the issue's studies, small: tokenizer, template, end tokens.

Each has the special tokens, the settings and the kind of tokenizer of its published
model; only the vocabulary is ours. A test writes one into a folder and, where it needs
one, puts a random model of the family's own architecture beside it.

And what `make cloud` installs, for the tests that need it.
"""

import json
import os
import signal
import string
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

FAMILY_FILE = Path(__file__).with_name("families.yaml")
NAMED = ("bos", "eos", "pad", "unk")
# Of a family what families.yaml leaves out.
DEFAULTS = {**dict.fromkeys(NAMED), "special": [], "config": {}}
DEFAULTS |= {"spaces": False, "prefix": True, "adds_bos": False, "system": True}
TEMPLATES = Path(__file__).parents[1] / "config/templates"
TEXT = [
    "May I take the lamp and the bread from the window?",
    "No, the stone stays here. User: Assistant: yes",
    "### Instruction: ### Response: [INST] [/INST] USER ASSISTANT <|user|>",
    "user assistant system model You are a helpful assistant, safe or unsafe",
    "Harmful request: yes Response refusal: no Harmful response: yes",
]


def pytest_configure():
    """Let commands heed signals where the tests do not, as behind `nohup` or with `&`.

    A command inherits what its parent ignores.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def read_families():
    """Return all families and guards of families.yaml by name."""
    found = {}
    for name, entry in yaml.safe_load(FAMILY_FILE.read_text("utf-8")).items():
        options = {**DEFAULTS, "ends": [entry["eos"]], **entry}
        tokens = {f"{kind}_token": options[kind] for kind in NAMED}
        # As tokenizer_config.json has them.
        named = {kind: token for kind, token in tokens.items() if token}
        found[name] = SimpleNamespace(name=name, named=named, **options)
    return found


FAMILIES = read_families()
# Guards are models of a family with a template of their own.
GUARDS = {"llama_guard_3", "wildguard"}


def backend_of(family):
    """Return a tokenizer of the family's kind, with its special tokens."""
    tokens = [*family.named.values(), *family.ends, *family.special, "<unk>"]
    special = [AddedToken(t, special=True) for t in dict.fromkeys(tokens)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if family.spaces else None))
    if family.spaces:
        steps = [normalizers.Prepend("▁")] if family.prefix else []
        tokenizer.normalizer = normalizers.Sequence(
            [*steps, normalizers.Replace(" ", "▁")]
        )
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = [*string.printable, "▁"]
        # No token of theirs joins two words.
        words = [f"▁{word}" for line in TEXT for word in line.split()]
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet, words = pre_tokenizers.ByteLevel.alphabet(), TEXT
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(words * 3, trainer)
    if family.adds_bos and family.bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A",
            special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))],
        )
    return tokenizer


def save_family(family, folder):
    """Write a family's tokenizer, template and generation settings into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    backend = backend_of(family)
    backend.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        **family.named,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    ends = [backend.token_to_id(token) for token in family.ends]
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": ends[0] if len(ends) == 1 else ends})
    )
    template = (TEMPLATES / f"{family.name}.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


@pytest.fixture(scope="session", params=sorted(FAMILIES.keys() - GUARDS))
def family(request):
    """Every family in turn."""
    return FAMILIES[request.param]


@pytest.fixture(scope="session")
def families():
    """All families and guards by name."""
    return FAMILIES


@pytest.fixture(scope="session")
def save():
    """The writer of a family's files."""
    return save_family


@pytest.fixture(scope="session")
def family_folder(family, tmp_path_factory):
    """A folder with the family's tokenizer and template, without a model."""
    return save_family(family, tmp_path_factory.mktemp(family.name))


@pytest.fixture(scope="session")
def cloud_packages():
    """The folder of Snakemake's cloud plugins; no test without it."""
    folder = Path(os.environ.get("SAFEGRID_CLOUD", Path(sys.prefix) / "cloud"))
    if not (folder / "snakemake_storage_plugin_s3").is_dir():
        pytest.skip(f"no cloud plugins in {folder}: `make cloud` installs them")
    return folder
