"""Save a trained model with its adapters merged: a full model, as vLLM serves it."""

import logging
import shutil
from pathlib import Path

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.core.artifacts import MANIFEST, atomic_directory, manifest, write_result
from safegrid.core.errors import ConfigError, DataError
from safegrid.models.checkpoints import (
    folder_facts,
    load_model,
    weights_hash,
    weights_of,
)
from safegrid.models.pretrained import CONFIG
from safegrid.models.tokenizer_files import tokenizer_files
from safegrid.study import Study

logger = logging.getLogger(__name__)


def merge_model(
    study: Name, model: str, out: Path, config: Path = Path("config")
) -> None:
    """Merge the adapters of a study's model and save it in the engine's dtype.

    The answers of the folder are those of our engine, which merges in the same way.

    Args:
        study: its name.
        model: `base/recipe/seedN`, as its folder is called below `models/`.
        out: the new folder: weights, settings, tokenizer files, manifest.
        config: the folder of studies and registries.

    Raises:
        ConfigError: the study has no such model.
        DataError: the model has no adapter or is not trained yet, or `out` exists.
    """
    asked = Study(load_config(config, study))
    known = {model.path: model for model in asked.trained}
    if model not in known:
        raise ConfigError(
            f"--model {model}: no trained model of study {study!r}; it has"
            f" {', '.join(known) or 'none'}"
        )
    stack = [Path(folder) for folder in asked.stack(known[model])]
    if len(stack) == 1:
        raise DataError(f"{stack[0]}: a full model already; nothing is to be merged")
    missing = [folder for folder in stack if not folder.is_dir()]
    if missing:
        raise DataError(
            f"{missing[0]}: not there yet; make it with"
            f" `snakemake --config study={study} -- {missing[0]}`"
        )
    if out.exists():
        raise DataError(f"{out}: exists already; name a new folder")
    save_merged(stack, asked.engine(known[model].base).dtype, out)


def save_merged(stack: list[Path], dtype: str, out: Path) -> None:
    """Write the folder of a stack's merged model, whole or not at all."""
    head = "classify" if (stack[-1] / CONFIG).is_file() else "causal"
    merged = load_model(stack, dtype, head)  # type: ignore[arg-type]
    params = {"dtype": dtype, "start": weights_hash(stack)}
    facts = manifest("merge", {}, params, ("torch", "transformers", "peft"))
    facts |= {"stack": [weights_of(folder) for folder in stack]}
    with atomic_directory(out) as folder:
        merged.save_pretrained(folder)
        for path in tokenizer_files(stack[0]):
            shutil.copyfile(path, folder / path.name)
        write_result(folder / MANIFEST, {**facts, **folder_facts(folder)})
    logger.info("%s: %d folders merged in %s", out, len(stack), dtype)
