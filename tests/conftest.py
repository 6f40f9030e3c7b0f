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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
TEMPLATES = Path(__file__).parents[1] / "config/templates"
TEXT = [
    "May I take the lamp and the bread from the window?",
    "No, the stone stays here. User: Assistant: yes",
    "### Instruction: ### Response: [INST] [/INST] USER ASSISTANT <|user|>",
    "user assistant system model You are a helpful assistant, safe or unsafe",
    "Harmful request: yes Response refusal: no Harmful response: yes",
]


def pytest_configure() -> None:
    """Let commands heed signals where the tests do not, as behind `nohup` or with `&`.

    A command inherits what its parent ignores.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Family:
    """What is particular to a family; families.yaml says more.

    Attributes:
        spaces: its words carry their space as `▁` (SentencePiece), else byte-level BPE.
        prefix: it puts such a space before the start of a text.
        adds_bos: its tokenizer opens every text with BOS by itself.
        unk: what stands for a letter that it does not know, where it names one.
        system: whether a conversation may open with a system message.
        architecture: transformers' names of configuration and model, and its options.
    """

    name: str
    eos: str
    ends: tuple[str, ...]
    architecture: tuple[str, dict[str, Any]]
    bos: str | None = None
    pad: str | None = None
    unk: str | None = None
    special: tuple[str, ...] = ()
    spaces: bool = False
    prefix: bool = True
    adds_bos: bool = False
    system: bool = True

    @property
    def named(self) -> dict[str, str]:
        """The named tokens as tokenizer_config.json has them."""
        tokens = {"bos": self.bos, "eos": self.eos, "pad": self.pad, "unk": self.unk}
        return {f"{name}_token": token for name, token in tokens.items() if token}


def read_families() -> dict[str, Family]:
    """Return all families and guards of families.yaml by name."""
    found = {}
    for name, entry in yaml.safe_load(FAMILY_FILE.read_text("utf-8")).items():
        options = {"ends": [entry["eos"]], "special": [], "config": {}, **entry}
        kind = options.pop("architecture"), options.pop("config")
        options |= {key: tuple(options[key]) for key in ("ends", "special")}
        found[name] = Family(name, **options, architecture=kind)
    return found


FAMILIES = read_families()
# Guards are models of a family with a template of their own.
GUARDS = {"llama_guard_3", "wildguard"}


def backend_of(family: Family) -> Tokenizer:
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


def save_family(family: Family, folder: Path) -> Path:
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
def family(request: pytest.FixtureRequest) -> Family:
    """Every family in turn."""
    return FAMILIES[request.param]


@pytest.fixture(scope="session")
def families() -> dict[str, Family]:
    """All families and guards by name."""
    return FAMILIES


@pytest.fixture(scope="session")
def save() -> Callable[[Family, Path], Path]:
    """The writer of a family's files."""
    return save_family


@pytest.fixture(scope="session")
def family_folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the family's tokenizer and template, without a model."""
    return save_family(family, tmp_path_factory.mktemp(family.name))


@pytest.fixture(scope="session")
def cloud_packages() -> Path:
    """The folder of Snakemake's cloud plugins; no test without it."""
    folder = Path(os.environ.get("SAFEGRID_CLOUD", Path(sys.prefix) / "cloud"))
    if not (folder / "snakemake_storage_plugin_s3").is_dir():
        pytest.skip(f"no cloud plugins in {folder}: `make cloud` installs them")
    return folder
