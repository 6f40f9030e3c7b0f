"""The command table fits the functions that it names, and errors are for people."""

import ast

import pytest

from safegrid import cli
from safegrid.commands import COMMANDS
from safegrid.core.closure import module_file


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
        ["build-world", "--world", '{"nam": 1}', "--out", str(tmp_path / "raw")]
    )
    assert status == 1
    assert "not a World block" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["study", "--study", "a;touch b", "--cores", "1"], "--study: got 'a;touch b'"),
        (["rates", "--study", "../b"], "--study: got '../b': a name may hold letters"),
        (["readme", "--study=-x"], "--study: got '-x'"),
        (["status", "--study", ""], "--study: got ''"),
        (["study", "--study", "mini", "--cores", "two"], "--cores: got 'two': must be"),
        (
            ["score-verdicts", "--imported", "a", "--out", "b", "--most-unscored=nan"],
            "--most-unscored: got 'nan': must be a finite number",
        ),
    ],
)
def test_an_option_that_cannot_be_meant_is_told_with_its_name(arguments, told, capsys):
    assert cli.run(arguments) == 1
    assert f"error: {told}" in capsys.readouterr().err


# What only reads results needs no folder of sources.
READS_RESULTS = {"merge", "rates", "readme", "report-partial", "status-page"}


def test_an_option_of_users_has_one_kind_and_studies_their_sources():
    kinds = {}
    for name, command in COMMANDS.items():
        options = {option.name: option.kind for option in command.options}
        if "study" in options and name not in READS_RESULTS:
            assert options["sources_dir"] == "text", name
        for option in {"study", "sources_dir"} & set(options):
            kinds.setdefault(option, set()).add(options[option])
    assert kinds == {"study": {"study"}, "sources_dir": {"text"}}


def test_an_option_without_a_value_means_none():
    command = COMMANDS["capability"]
    given = {"limit": None, "tasks": ["a", "b"]}
    assert cli._values(command, given) == {"limit": None, "tasks": ["a", "b"]}
