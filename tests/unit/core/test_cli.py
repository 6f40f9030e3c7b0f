"""The command table fits the functions that it names, and errors are for people."""

import ast

import pytest

from safegrid import cli
from safegrid.closure import module_file
from safegrid.commands import COMMANDS


def arguments(call):
    """Return a function's arguments and those without a default, from its text."""
    module, function = call.split(":")
    tree = ast.parse(module_file(module).read_text())
    node = next(
        n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function
    )
    plain = node.args.args
    first_default = len(plain) - len(node.args.defaults)
    needed = {a.arg for a in plain[:first_default]}
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    needed |= {a.arg for a, default in pairs if default is None}
    return {a.arg for a in plain + node.args.kwonlyargs}, needed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_an_argument_and_nothing_needed_is_left_out(name):
    command = COMMANDS[name]
    known, needed = arguments(command.call)
    options = {option.name for option in command.options}
    assert options <= known
    assert needed <= options


def test_an_error_is_one_sentence_and_exit_status_1(tmp_path, capsys):
    missing = tmp_path / "none.parquet"
    status = cli.run(
        [
            "tokenize",
            *("--dataset", str(missing)),
            *("--tokenizer", str(tmp_path)),
            *("--max-length", "8"),
            *("--out", str(tmp_path / "out.parquet")),
        ]
    )
    assert status == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_a_block_that_is_not_one_is_told(tmp_path, capsys):
    status = cli.run(
        ["grow-world", "--world", '{"nam": 1}', "--out", str(tmp_path / "raw")]
    )
    assert status == 1
    assert "not a World block" in capsys.readouterr().err


def test_an_option_without_a_value_means_none():
    command = COMMANDS["capability"]
    given = {"limit": None, "tasks": ["a", "b"]}
    assert cli._values(command, given) == {"limit": None, "tasks": ["a", "b"]}
