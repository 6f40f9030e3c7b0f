"""Chat templates of the repository, stored with models that come without a good one.

`config/templates` holds one file a format. An entry of a registry names one under its
key `template`; the file is copied into the model's folder, so that whoever reads the
folder (our engine, another one, a person) asks the model in the same words.
"""

from pathlib import Path

from safegrid.core.errors import DataError
from safegrid.core.files import write_text
from safegrid.core.text_files import read_text
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import TEMPLATE

PROBE = (
    {"role": "user", "content": "request"},
    {"role": "assistant", "content": "answer"},
)


def template_names(templates: Path) -> list[str]:
    """Return the names under which a registry can ask for a template."""
    return sorted(path.stem for path in templates.glob("*.jinja"))


def store_template(folder: Path, templates: Path, name: str | None) -> None:
    """Put a named template into a model's folder, or see that the model has its own.

    A named one replaces the model's own: a study may ask all its bases alike.

    Args:
        folder: the model's, with its tokenizer's files.
        templates: `config/templates`.
        name: of a file there without its ending; None for the model's own.

    Raises:
        DataError: no template of that name, none at all, or one that this model's
            tokenizer cannot render.
    """
    known = template_names(templates)
    if name is not None:
        if name not in known:
            raise DataError(
                f"{templates}: no template {name!r}; known: {', '.join(known)}"
            )
        text = read_text(templates / f"{name}.jinja")
        write_text(folder / TEMPLATE, text)
    chat = ChatTokenizer.load(folder)
    if chat.template is None:
        raise DataError(
            f"{folder}: comes without a chat template, and a model that is asked in"
            " conversations needs one. Name one under the key `template` of its entry"
            " in config/bases.yaml or config/judges.yaml; known are the files of"
            f" {templates}: {', '.join(known)}"
        )
    chat.render(PROBE, add_generation_prompt=True)
