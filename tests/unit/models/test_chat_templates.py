from pathlib import Path
from typing import Any

import pytest

from safegrid.core.errors import DataError
from safegrid.models.chat_templates import store_template, template_names
from safegrid.models.templates import ChatTokenizer

TEMPLATES = Path(__file__).parents[3] / "config/templates"
CHAT = [{"role": "user", "content": "what is it"}]


def test_a_model_without_a_template_gets_the_named_one(make_folder: Any) -> None:
    folder = make_folder("bare", None)
    store_template(folder, TEMPLATES, "vicuna")
    assert ChatTokenizer.load(folder).render(CHAT, True).endswith(" ASSISTANT:")
    named = (TEMPLATES / "vicuna.jinja").read_text()
    assert (folder / "chat_template.jinja").read_text() == named


def test_a_named_template_replaces_the_models_own_and_its_hash(
    base_folder: Path,
) -> None:
    own = ChatTokenizer.load(base_folder).template_hash
    store_template(base_folder, TEMPLATES, None)
    assert ChatTokenizer.load(base_folder).template_hash == own
    store_template(base_folder, TEMPLATES, "alpaca")
    assert ChatTokenizer.load(base_folder).template_hash != own


def test_without_any_template_the_key_and_the_known_names_are_told(
    make_folder: Any,
) -> None:
    folder = make_folder("bare", None)
    with pytest.raises(DataError) as caught:
        store_template(folder, TEMPLATES, None)
    message = str(caught.value)
    for words in (str(folder), "`template`", "config/bases.yaml", "config/judges.yaml"):
        assert words in message
    assert all(name in message for name in template_names(TEMPLATES))


def test_a_name_that_is_no_file_is_refused_and_nothing_is_stored(
    make_folder: Any,
) -> None:
    folder = make_folder("bare", None)
    with pytest.raises(DataError, match=r"no template 'vicunia'; known: alpaca, falc"):
        store_template(folder, TEMPLATES, "vicunia")
    assert not (folder / "chat_template.jinja").exists()


def test_a_template_that_cannot_be_rendered_is_refused(
    make_folder: Any, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/broken.jinja").write_text("{% if %}")
    with pytest.raises(DataError, match="chat template, line 1"):
        store_template(make_folder("bare", None), tmp_path / "templates", "broken")


def test_a_model_that_is_asked_without_a_template_says_which_key_to_set(
    make_folder: Any,
) -> None:
    with pytest.raises(DataError, match=r"key `template`.*config/bases\.yaml"):
        ChatTokenizer.load(make_folder("bare", None)).render(CHAT, True)
