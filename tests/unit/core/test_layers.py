"""Imports go down the layers of the package only, and never in a circle."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from safegrid.core.closure import ROOT, closure, imports_of, module_file

LEVELS = [
    {"core"},
    {"config", "models", "readers", "runtime", "texts"},
    {"study"},
    {
        *("capability", "data", "engine", "fetch", "generate", "judge", "score"),
        *("synthesize", "train"),
    },
    {"cost"},
    {"doctor", "report", "workflow"},
    {"imported"},
    {"commands"},
    {"cli"},
    {"__main__", ""},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Clients of engines may use the engine room.
MAY_USE_ENGINE = {"generate", "judge", "capability"}
# Of safegrid, what the miniature is built with: no stage, and nothing of a study.
MINIATURE = {"core", "config", "models", "readers", "texts"}


def modules(package=""):
    for file in sorted(ROOT.joinpath(package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__")


def room(module):
    return [*module.split("."), ""][1]


def test_every_module_belongs_to_a_known_room():
    assert {room(m) for m in modules("safegrid")} <= set(LEVEL_OF)


@pytest.mark.parametrize("module", list(modules("miniworld")))
def test_the_miniature_meets_safegrid_through_files(module):
    others = [name for name in imports_of(module) if name.startswith("safegrid.")]
    assert {room(name) for name in others} <= MINIATURE


@pytest.mark.parametrize("module", list(modules("safegrid")))
def test_imports_go_downward(module):
    assert not [m for m in imports_of(module) if m.startswith("miniworld")]
    own = room(module)
    for imported in imports_of(module):
        other = room(imported)
        if other in (own, ""):
            continue
        allowed = LEVEL_OF[other] < LEVEL_OF[own] or (
            own in MAY_USE_ENGINE and other == "engine"
        )
        assert allowed, f"{module} imports {imported}"


def test_no_module_imports_itself_through_others():
    graph = {name: imports_of(name) - {name} for name in modules()}
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


QUESTION = re.compile("(All|Everything|How|What|When|Where|Whether|Which|Who|Why) ")


@pytest.mark.parametrize("module", list(modules()))
def test_a_docstring_names_its_module_in_a_noun_or_a_verb(module):
    said = ast.get_docstring(ast.parse(module_file(module).read_text("utf-8")))
    assert not QUESTION.match(said), f"{module}: {said.splitlines()[0]}"


def test_one_module_stands_loose():
    loose = {file.stem for file in ROOT.glob("safegrid/*.py")}
    assert loose == {"cli", "__init__", "__main__"}


def imported_by(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_planning_imports_nothing_heavy():
    planning = (
        "import safegrid.study, safegrid.study.prerequisites, safegrid.config.load,"
        " safegrid.runtime.runs, safegrid.core.closure, safegrid.cost.fit"
    )
    heavy = {"torch", "transformers", "trl", "datasets", "scipy", "matplotlib"}
    assert not imported_by(planning) & heavy


def test_clients_of_engines_import_nothing_heavy():
    clients = "import safegrid.generate.run, safegrid.generate.render"
    light = imported_by(f"{clients}, safegrid.judge.run")
    assert not light & {"torch", "transformers", "datasets", "scipy"}
    assert "torch" not in imported_by("import safegrid.judge.validation")


def test_a_closure_holds_what_is_imported_inside_functions(tmp_path, monkeypatch):
    monkeypatch.setattr("safegrid.core.closure.ROOT", tmp_path)
    texts = {
        "made_up": "def work():\n    from safegrid.made_up_deep import name\n",
        "made_up_deep": "class Deep:\n    import safegrid.made_up_deepest\n",
        "made_up_deepest": "import safegrid.made_up\n",
        "made_up_other": "",
    }
    (tmp_path / "safegrid").mkdir()
    for name, text in texts.items():
        (tmp_path / f"safegrid/{name}.py").write_text(text)
    names = ["made_up", "made_up_deep", "made_up_deepest"]
    assert closure("safegrid.made_up") == [f"safegrid.{name}" for name in names]


@pytest.mark.parametrize("module", list(modules()))
def test_no_function_is_longer_than_60_lines(module):
    tree = ast.parse(module_file(module).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in (n for n in ast.walk(tree) if isinstance(n, kinds)):
        assert node.end_lineno - node.lineno < 60, f"{module}.{node.name}"
