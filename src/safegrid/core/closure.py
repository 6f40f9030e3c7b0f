"""The import closure of a module inside the packages, and a hash of it.

Cheap stages (score, tables, figures) take this hash as a param, so that an edit of
their code reruns them and nothing else. Expensive stages carry a version number
instead; a test holds this hash beside the number.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGES = ("safegrid", "miniworld")
ROOT = Path(__file__).parents[2]
# Its numbers are params of their own: raising one must not count as an edit of all.
NUMBERS = "safegrid.core.stages"


def module_file(module: str) -> Path | None:
    """Return the source file of a module of the packages, or None if it is none."""
    parts = module.split(".")
    relative = ROOT.joinpath(*parts)
    for candidate in (relative.with_suffix(".py"), relative / "__init__.py"):
        if parts[0] in PACKAGES and candidate.is_file():
            return candidate
    return None


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the packages' modules that a module imports, anywhere in its text."""
    file = module_file(module)
    if file is None:
        raise LookupError(f"{module} is no module of {' or '.join(PACKAGES)}")
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if module_file(name))


def closure(module: str) -> list[str]:
    """Return a module and all of the packages that it imports, directly or not."""
    found = [module]
    for current in found:
        found += imports_of(current) - set(found)
    return sorted(found)


def code_hash(*modules: str, files: tuple[Path, ...] = ()) -> str:
    """Return a short hash of modules with their imports, and of further files.

    The stages' numbers are left out, unless a module asks for them by name.
    """
    digest = hashlib.sha256()
    names = {name for module in modules for name in closure(module)}
    for name in sorted((names - {NUMBERS}) | set(modules)):
        file = module_file(name)
        assert file is not None, "closures hold modules with files only"
        digest.update(name.encode() + b"\0" + file.read_bytes())
        # The tables that a module reads stand beside it, under its name.
        if (data := file.with_suffix(".yaml")).is_file():
            digest.update(data.read_bytes())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
