"""Options of a run: what may stand in config.yaml, and the rule of study names."""

import pytest

from safegrid.config.options import check_file, check_options, own_folder, read_options
from safegrid.core.errors import ConfigError


@pytest.fixture
def root(copy):
    """Return a folder of registries with a config.yaml of its own."""
    (copy.root / "config.yaml").write_text("study: tiny\nsources_dir: own\n")
    return copy.root


def test_what_no_option_says_the_file_does(root):
    assert own_folder(None, root) == "own"
    assert own_folder("other", root) == "other"
    assert read_options(root).study == "tiny"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"study": "tiny;touch x"}, "study: got 'tiny;touch x': a name may hold"),
        ({"study": "-x"}, "study: got '-x': a name may hold"),
        ({"study": "a/b"}, "study: got 'a/b': a name may hold"),
        ({"study": 5}, "study: got 5: must be text"),
        ({"study": ["tiny"]}, "study: got ['tiny']: must be text"),
        ({}, "study: missing"),
        ({"study": "tiny", "gpu": 4090}, "gpu: got 4090: must be text"),
        ({"study": "tiny", "sources_dir": {"a": 1}}, "sources_dir: got {'a': 1}: must"),
        ({"study": "tiny", "source_dir": "a"}, "did you mean 'sources_dir'?"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_any_job(root, given, told):
    with pytest.raises(ConfigError) as caught:
        check_options(given, ["recipe"], root)
    assert told in str(caught.value)


def test_a_file_that_snakemake_takes_may_be_refused_all_the_same(root):
    check_file(root)
    (root / "config.yaml").write_text("study: tiny\nstudy: mini\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: study: stands twice"):
        check_file(root)


@pytest.mark.parametrize(
    "name",
    ["x;touch F", "-x", "a b", "$(id)", "x" * 101, "2024", "1e5", "no", "results"],
)
def test_a_study_file_has_a_name_like_all_others(copy, name):
    studies = copy.root / "studies"
    (studies / f"{name}.yaml").write_text((studies / "tiny.yaml").read_text())
    told = copy.message(name)
    assert "a name may hold letters, digits and _ . + -" in told
    assert "rename it" in told


@pytest.mark.parametrize("file", ["templates/llama_2.jinja", "sources.lock.yaml"])
def test_a_folder_in_the_place_of_a_file_is_told(copy, file):
    (copy.root / file).unlink()
    (copy.root / file).mkdir()
    assert f"{file}: file: is no file" in copy.message()
