"""Options of a run: config/config.yaml, and what `--config` puts over it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safegrid.config.block import Block, Name
from safegrid.config.documents import Document, Problems
from safegrid.config.yaml_files import read_document

FILE = "config.yaml"


class Options(Block):
    """Options that every run has.

    Attributes:
        study: the study that is run; `--config study=NAME` picks another
        sources_dir: the folder that [`path`](#where-files-come-from) is below:
            `--config sources_dir=FOLDER`
        gpu: the [GPU](#gpusyaml) that all jobs get: a study with a job that would not
            fit there is refused while it is planned. Without one, the GPU that a
            profile asks for ([how](../docs/plan_the_cost.md#refused-while-planning))
    """

    study: Name
    sources_dir: str | None = None
    gpu: str | None = None


def read_options(root: Path) -> Options:
    """Read config.yaml of the folder `root`.

    Raises:
        ConfigError: one message with every problem.
    """
    document = read_document(root / FILE, Problems())
    return _options(document.data, document)


def check_file(root: Path) -> None:
    """Check that config.yaml can be read: better told than by Snakemake, and wholly.

    Raises:
        ConfigError: one message with every problem.
    """
    read_document(root / FILE, problems := Problems())
    problems.raise_if_any("configuration")


def check_options(given: Mapping[str, Any], more: Iterable[str], root: Path) -> Options:
    """Return the options of a run as Snakemake has them, file and `--config` merged.

    Args:
        given: all of them.
        more: options that others read.
        root: the folder of config.yaml.

    Raises:
        ConfigError: one message with every problem.
    """
    known = {*Options.model_fields, *more}
    place = Document(Path(f"{root / FILE} or --config"), Problems())
    for name in given:
        if name not in known:
            place.unknown((str(name),), name, "key", known)
    return _options(given, place)


def own_folder(given: str | None, root: Path) -> str | None:
    """Return the folder of the user's own sources: as given, else as config.yaml says.

    Raises:
        ConfigError: config.yaml is not valid.
    """
    return given if given is not None else read_options(root).sources_dir


def _options(given: Mapping[str, Any], document: Document) -> Options:
    own = {key: given[key] for key in Options.model_fields if key in given}
    options = document.validate(Options, own)
    document.problems.raise_if_any("configuration")
    assert isinstance(options, Options), "what does not validate was raised"
    return options
