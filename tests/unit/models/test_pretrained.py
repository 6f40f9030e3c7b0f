"""What is loaded from a model's folder runs no code of the folder's own."""

import ast
import json
import subprocess
import sys

import pytest

from safegrid.core.closure import ROOT
from safegrid.core.errors import DataError
from safegrid.models.pretrained import check_code

LOADERS = {"from_pretrained", "from_config"}
CODE = "from pathlib import Path\nPath({!r}).touch()\n"


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node


def is_told_no(call):
    """Whether a call says that no code is to run; peft's loaders run none."""
    if ast.unparse(call.func).startswith("Peft"):
        return True
    said = [(word.arg, ast.unparse(word.value)) for word in call.keywords]
    return ("trust_remote_code", "False") in said or (None, "OPTIONS") in said


def test_one_module_loads_and_none_of_its_loads_runs_code():
    found = [
        (path.relative_to(ROOT).as_posix(), call)
        for path in ROOT.rglob("*.py")
        for call in calls(path)
        if call.func.attr in LOADERS
    ]
    assert {name for name, _ in found} == {"safegrid/models/pretrained.py"}
    assert [ast.unparse(call) for _, call in found if not is_told_no(call)] == []
    text = (ROOT / "safegrid/models/pretrained.py").read_text()
    assert '"trust_remote_code": False' in text


def test_only_a_search_that_the_user_let_in_is_trusted():
    """What `consent` was asked for: transformers runs it for the engine's beams."""
    trusting = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for call in calls(path)
        for word in call.keywords
        if word.arg == "trust_remote_code" and ast.unparse(word.value) != "False"
    }
    assert trusting == {"safegrid/engine/model.py", "safegrid/engine/beams.py"}


@pytest.fixture
def folder(tmp_path):
    """A tokenizer's folder; `run` beside it tells that the code in it was run."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "configuration_it.py").write_text(CODE.format(str(tmp_path / "run")))
    return made


def write(folder, **files):
    for name, settings in files.items():
        (folder / f"{name}.json").write_text(json.dumps(settings))


MAP = {"AutoConfig": "configuration_it.ItConfig"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "files",
    [
        {"config": {"model_type": "it", "auto_map": MAP}},
        {"config": {"model_type": "it"}, "tokenizer_config": {"auto_map": MAP}},
        {"config": {}, "generation_config": {"auto_map": MAP}},
        {"config": {"model_type": ["it"], "auto_map": "configuration_it.ItConfig"}},
        {"adapter_config": {"auto_map": {"AutoModel": "owner/code--it.It"}}},
    ],
)
def test_a_model_that_only_its_own_code_loads_is_refused(folder, files):
    write(folder, **files)
    with pytest.raises(DataError, match=r"json names .*It.*never run here\. Take a"):
        check_code(folder)


@pytest.mark.slow
def test_a_known_family_is_loaded_by_transformers_own_class(folder, tmp_path):
    from transformers import LlamaConfig

    from safegrid.models.pretrained import load_config

    write(folder, config={"model_type": "llama", "vocab_size": 7, "auto_map": MAP})
    found = load_config(folder)
    assert (type(found), found.vocab_size) == (LlamaConfig, 7)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_code_needs_no_library(folder):
    write(folder, config={"model_type": "it"}, vocab=["auto_map"])
    check_code(folder)


READING = "import sys; from safegrid import cli"
READING += "; cli.run = lambda _: len(sys.stdin.read()); cli.main()"
LAUNCHED = "[sys.executable, '-c', 'import sys; sys.exit(len(sys.stdin.read()))']"
LAUNCHING = "import sys; from safegrid.runtime import launch"
LAUNCHING += f"; launch.command = lambda *_: {LAUNCHED}; launch.main()"


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [READING, LAUNCHING],
    ids=["a stage", "a training of several processes"],
)
def test_no_job_reads_what_is_typed(code):
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, input=b"y\n", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
