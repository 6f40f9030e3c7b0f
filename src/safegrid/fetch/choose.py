"""Choice of a repository's model files: safetensors, settings, tokenizer."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from safegrid.core.errors import SourceError
from safegrid.core.files import read_object
from safegrid.models.tokenizer_files import TOKENIZER_FILES

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
# What a folder needs beside its weights, as transformers names it.
SETTINGS = (
    *TOKENIZER_FILES,
    "config.json",
    "tokenizer.model",
    "spm.model",  # of DeBERTa
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.json",
)
CODE = "*.py"
# Formats that can run code when they are read.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.h5", "*.npy")


def model_files(
    names: Collection[str], folder: Path, remote_code: bool, what: str
) -> list[str]:
    """Return the files of a model among the `names` of its repository or folder.

    The index of its weights, if there is one, lies in `folder`.
    """
    settings = [name for name in SETTINGS if name in names]
    if remote_code:
        settings += [n for n in names if "/" not in n and _matches(n, [CODE])]
    if INDEX not in names:
        if WEIGHTS in names:
            return sorted([WEIGHTS, *settings])
        pickles = sorted(n for n in names if _matches(n, PICKLES))[:3]
        found = f" ({', '.join(pickles)} would)" if pickles else ""
        raise SourceError(
            f"{what}: it has no {WEIGHTS} and no {INDEX}: only safetensors are fetched,"
            f" which run no code when they are read{found}; convert it with"
            " transformers' `save_pretrained` and give the folder by `path`"
        )
    weights = set(read_object(folder / INDEX).get("weight_map", {}).values())
    missing = sorted(weights - set(names))
    if missing or not weights:
        raise SourceError(
            f"{what}: its {INDEX} names {missing or 'nothing'}, not in it"
        )
    return sorted([INDEX, *weights, *settings])


def check_formats(names: Iterable[str], remote_code: bool, what: str) -> None:
    """Refuse files that can run code: pickles, and Python unless it is allowed."""
    refused = (*PICKLES, *(() if remote_code else (CODE,)))
    found = [name for name in names if _matches(name, refused)]
    if found:
        raise SourceError(
            f"{what}: {', '.join(found)} can run code when it is read, and is not"
            " fetched: weights come as safetensors, Python files only where the"
            " registry says `remote_code: true`"
        )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(PurePosixPath(name).name, p) for p in patterns)
