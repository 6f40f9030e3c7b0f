"""Record what each expensive stage depends on, beside the stage's number.

Usage: make confirm

An expensive stage is rerun when its number in src/safegrid/core/stages.py changes, not
when its code does. `stages.json` holds a hash of the code and the libraries' versions
that a number was last confirmed for; `test_stages.py` compares.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path

from safegrid.commands import COMMANDS
from safegrid.core.closure import closure, code_hash, module_file
from safegrid.core.stages import VERSIONS

ROOT = Path(__file__).parents[3]
RECORD = Path(__file__).with_name("stages.json")

RULE = re.compile(r"^(?:use )?rule (\w+)\b.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
STAGE = re.compile(r'version=VERSIONS\["(\w+)"\]')
COMMAND = re.compile(r"(?:python -m|\.launcher\}) safegrid ([\w-]+)")

# An engine is a process of its own: whoever takes leases depends on its code too.
LEASE, ENGINE = "safegrid.engine.lease", "safegrid.engine.main"

# Loaded by name, from a file that the first of them writes.
PROGRAMS, METRIC = "safegrid.capability.programs", "safegrid.capability.code_eval"

# What computes results; loggers, servers and progress bars do not.
LIBRARIES = {
    *("accelerate", "datasets", "jinja2", "lm_eval", "numpy", "peft", "polars"),
    *("rapidfuzz", "scipy", "statsmodels", "tokenizers", "torch", "transformers"),
    "trl",
}


@cache
def commands() -> dict[str, set[str]]:
    """Return each expensive stage's subcommands, from the rules with its number."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for rule in RULE.finditer(file.read_text()):
            for stage in STAGE.findall(rule.group()):
                found.setdefault(stage, set()).update(COMMAND.findall(rule.group()))
    return found


@cache
def modules(stage: str) -> list[str]:
    """Return the modules in which a stage's work begins."""
    entries = {COMMANDS[name].call.split(":")[0] for name in commands()[stage]}
    if any(LEASE in closure(entry) for entry in entries):
        entries.add(ENGINE)
    if any(PROGRAMS in closure(entry) for entry in entries):
        entries.add(METRIC)
    return sorted(entries)


def libraries(entries: list[str], lock: dict[str, str]) -> dict[str, str]:
    """Return the locked versions of the libraries that a stage computes with."""
    imported = {name for entry in entries for name in closure(entry)}
    used = set().union(*(third_party(name) for name in imported)) & LIBRARIES
    if "transformers" in used:
        used |= {"tokenizers", "torch"}
    return {name: lock[name.replace("_", "-")] for name in sorted(used)}


@cache
def third_party(module: str) -> set[str]:
    """Return the top names of all that a module imports, anywhere in its text."""
    file = module_file(module)
    assert file is not None
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def read_lock() -> dict[str, str]:
    """Return name to version as requirements.lock has them."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@cache
def present() -> dict[str, dict[str, object]]:
    """Return number, code and libraries of each expensive stage as they are now."""
    lock = read_lock()
    return {
        stage: {
            "version": number,
            "code": code_hash(*modules(stage)),
            "libraries": libraries(modules(stage), lock),
        }
        for stage, number in VERSIONS.items()
    }


def main() -> None:
    """Write down that every stage gives the results of its number."""
    now = present()
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    RECORD.write_text(json.dumps(now, indent=2) + "\n")
    changed = [stage for stage in now if now[stage] != before.get(stage)]
    print(f"confirmed: {', '.join(changed) or 'nothing had changed'}")


if __name__ == "__main__":
    main()
