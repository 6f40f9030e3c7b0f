"""Subcommands take what their functions ask for, and errors are for people."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from safegrid import cli
from safegrid.commands import COMMANDS
from safegrid.commands.options import options_of
from safegrid.config import EngineSpec
from safegrid.config.block import Name
from safegrid.config.source import PartSpec
from safegrid.core.closure import module_file

RULES = Path(__file__).parents[3] / "rules"
CALL = re.compile(
    r"(?:python -m|\.launcher\}) safegrid ([\w-]+)((?:[^\n]*\\\n)*[^\n]*)"
)

# What a user types, and what the start of a run calls.
NO_RULE = {"notebook-kernel", "pin", "preflight"}


def arguments(name):
    """Return a command's arguments with their annotations, and those it needs."""
    module, function = COMMANDS[name].call.split(":")
    tree = ast.parse(module_file(module).read_text())
    node = next(
        n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function
    )
    plain = node.args.args
    needed = {a.arg for a in plain[: len(plain) - len(node.args.defaults)]}
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    needed |= {a.arg for a, default in pairs if default is None}
    found = {a.arg: ast.unparse(a.annotation) for a in plain + node.args.kwonlyargs}
    return found, needed


def calls():
    """Return each subcommand that a rule calls, with the options that it names."""
    return [
        (name, {flag.replace("-", "_") for flag in re.findall(r"--([a-z-]+)", words)})
        for path in sorted(RULES.glob("*.smk"))
        for name, words in CALL.findall(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize(("name", "given"), calls())
def test_rules_name_the_arguments_of_functions_and_leave_none_out(name, given):
    known, needed = arguments(name)
    assert needed <= given <= set(known)


def test_every_job_is_called_by_a_rule():
    jobs = {name for name, command in COMMANDS.items() if command.job}
    assert jobs - NO_RULE <= {name for name, _ in calls()}


def test_a_signature_is_a_commands_options():
    def work(
        parts: list[PartSpec],
        engine: EngineSpec,
        files: Sequence[Path],
        limit: int | None,
        cell: dict[str, Any] | None = None,
        study: Name = "mini",
        fresh: bool = False,
    ) -> None:
        """Work.

        Args:
            limit: how many; 100% are
                all.

        Raises:
            ValueError: never.
        """

    options = {option.name: option for option in options_of(work)}
    many = {name for name, option in options.items() if option.many}
    assert many == {"parts", "files"}
    assert {n for n, o in options.items() if o.or_none} == {"limit", "cell"}
    needed = {name for name, option in options.items() if option.needed}
    assert needed == {"parts", "engine", "files", "limit"}
    assert options["limit"].help == "how many; 100% are all."
    assert options["parts"].value(['{"source": "a"}']) == [PartSpec(source="a")]
    assert options["files"].value(["a", "b"]) == [Path("a"), Path("b")]
    assert options["limit"].value("8") == 8
    assert options["limit"].value(None) is None
    assert options["cell"].value('{"a": 1.5}') == {"a": 1.5}
    assert options["engine"].value("{}") == EngineSpec()


def test_help_tells_what_the_docstring_does(capsys):
    with pytest.raises(SystemExit):
        cli.run(["status", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "--sources-dir" in told
    assert "Show how each cell of a study stands" in told


def test_an_error_is_one_sentence_and_exit_status_1(tmp_path, capsys):
    words = f"tokenize --dataset {tmp_path}/none.parquet --tokenizer {tmp_path}"
    words += f" --max-length 8 --out {tmp_path}/out.parquet"
    assert cli.run(words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_a_block_that_is_not_one_is_told(tmp_path, capsys):
    words = ["build-world", "--world", '{"nam": 1}', "--out", f"{tmp_path}/raw"]
    assert cli.run(words) == 1
    assert "not a World block" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("study --study=a;touch --cores=1", "study: got 'a;touch'"),
        ("rates --study=../b", "study: got '../b': a name may hold letters"),
        ("readme --study=-x", "study: got '-x'"),
        ("status --study=", "study: got ''"),
        ("study --study=mini --cores=two", "cores: got 'two': must be"),
        (
            "score-verdicts --imported=a --out=b --most-unscored=nan",
            "most-unscored: got 'nan': must be a finite number",
        ),
    ],
)
def test_an_option_that_cannot_be_meant_is_told_with_its_name(words, told, capsys):
    assert cli.run(words.split()) == 1
    assert f"error: --{told}" in capsys.readouterr().err


# What only reads results needs no folder of sources.
READS_RESULTS = {
    "label",
    "merge",
    "rates",
    "readme",
    "report-partial",
    "status-page",
}


def test_an_option_of_users_has_one_kind_and_studies_their_sources():
    kinds = {}
    for name in COMMANDS:
        options, _ = arguments(name)
        if "study" in options and name not in READS_RESULTS:
            assert options["sources_dir"] == "str | None", name
        for option in {"study", "sources_dir"} & set(options):
            kinds.setdefault(option, set()).add(options[option])
    assert kinds == {"study": {"Name", "Name | None"}, "sources_dir": {"str | None"}}
