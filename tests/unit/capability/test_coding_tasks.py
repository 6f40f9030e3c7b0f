"""Names of the shipped tasks that run what a model wrote, as planning knows them."""

import re
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

from safegrid.capability.shipped import SHIPPED
from safegrid.study.prerequisites.environment import CODING

INCLUDED = re.compile(r'^"?include"?: *"?([^\s"]+)', re.MULTILINE)


@pytest.mark.slow
def test_their_names_tell_them_and_no_others():
    files = (p for p in SHIPPED.rglob("*") if p.suffix not in (".py", ".pyc", ".md"))
    texts = {path: path.read_text(errors="replace") for path in files if path.is_file()}

    def runs_code(path: Path) -> bool:
        text = texts[path]
        if found := re.search("^unsafe_code: (true|false)", text, re.MULTILINE):
            return found[1] == "true"
        parents = (path.parent / name for name in INCLUDED.findall(text))
        return any(runs_code(p.resolve()) for p in parents if p.resolve() in texts)

    coding = {path for path in texts if runs_code(path)}
    folders = {SHIPPED / path.relative_to(SHIPPED).parts[0] for path in coding}
    index = TaskManager(include_path=sorted(folders), include_defaults=False).task_index
    tasks = {
        name: Path(entry.yaml_path) in coding
        for name, entry in index.items()
        if entry.kind.name == "TASK"
    }
    assert tasks == {name: name.startswith(CODING) for name in tasks}
    for family in CODING:
        assert any(name.startswith(family) for name in tasks)
