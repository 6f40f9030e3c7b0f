"""Studies and registries with random faults: each is refused with places, or valid."""

import copy
import random
import re
import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.core.errors import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
PLACE = re.compile(r"^  \S+\.yaml(:\d+)?: \S.*: \S|^  \S+/templates: ")
ODD = [
    *(None, True, 0, -1, 1.5, 10**40, 1e300, float("inf"), float("nan")),
    *("", "no", "a/b", "-x", "x" * 200, "\u00e9", "\0", "1e-4", "{base}"),
    *([], [None], [[]], ["x", "x"], [{}], {}, {"a": {}}, {True: 1}, {None: []}),
]
ODD_KEYS = [None, False, 3, 0.5, "odd", "a b", "x" * 200]
# The registries, cut to what the study uses, are read in a few milliseconds.
USED = re.compile("tiny")
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
FILES = ("studies/tiny", "sources", "bases", "judges", "tasks", "worlds", "benchmarks")
FILES = (*FILES, "encoders", "methods", "tuned/tiny")


@pytest.fixture(scope="module")
def documents():
    """The files of study `tiny`, without what it does not use, and tuned settings."""
    found = {}
    for stem in FILES[:-1]:
        whole = yaml.safe_load((CONFIG / f"{stem}.yaml").read_text("utf-8"))
        if stem in ("sources", "bases", "judges", "encoders", "worlds"):
            whole = {name: block for name, block in whole.items() if USED.search(name)}
        found[stem] = whole
    found["tasks"] = {}
    asked = found["studies/tiny"]["benchmarks"]
    known = found["benchmarks"].items()
    found["benchmarks"] = {name: block for name, block in known if name in asked}
    found["studies/tiny"]["tuned"] = "tiny"
    methods = {block["method"] for block in found["studies/tiny"]["recipes"].values()}
    found["tuned/tiny"] = {"chosen": {m: {"beta": 0.2} for m in methods}}
    return found


def dump(document):
    """Write a document as YAML 1.1 does: text that looks like a truth is in quotes."""
    return yaml.dump(document, Dumper=DUMPER, sort_keys=False)


def places(node):
    """Yield each container of a document with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def spoil(document, rng):
    """Change a document at one place: another value, another key, or nothing there."""
    found = list(places(document))
    if not found:
        return
    node, key = rng.choice(found)
    if isinstance(node, list) or rng.random() < 0.6:
        node[key] = copy.deepcopy(rng.choice(ODD))
    elif rng.random() < 0.5:
        node[rng.choice(ODD_KEYS)] = node.pop(key)
    else:
        del node[key]


def outcome(root):
    """Load the study: `valid`, `refused`, or what else came of it, in words."""
    try:
        load_config(root, "tiny")
    except ConfigError as error:
        lines = str(error).splitlines()[1:]
        lost = [line for line in lines if not PLACE.match(line)]
        return f"no place in {lost}" if lost else "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "valid"


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_a_spoilt_configuration_is_refused_with_its_places(tmp_path, documents, seed):
    rng, root = random.Random(seed), tmp_path / "config"
    texts = {stem: dump(whole) for stem, whole in documents.items()}
    for stem, text in texts.items():
        (root / stem).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{stem}.yaml").write_text(text, "utf-8")
    shutil.copytree(CONFIG / "templates", root / "templates")
    load_config(root, "tiny")
    seen: dict[str, str] = {}
    for _ in range(75):
        stem = rng.choice([FILES[0], *FILES])
        spoilt = copy.deepcopy(documents[stem])
        for _ in range(rng.choice([1, 1, 2, 3])):
            spoil(spoilt, rng)
        text = dump(spoilt)
        (root / f"{stem}.yaml").write_text(text, "utf-8")
        seen.setdefault(outcome(root), f"{stem}.yaml\n{text}")
        (root / f"{stem}.yaml").write_text(texts[stem], "utf-8")
    assert "refused" in seen
    assert {k: text for k, text in seen.items() if k not in ("valid", "refused")} == {}
