"""The number that says whether our engine's answers are still the same ones."""

import hashlib
from pathlib import Path

import safegrid.engine
from safegrid.config import EngineSpec
from safegrid.core.seals import write_result
from safegrid.engine.identity import ENGINE_VERSION, engine_version, served_name

# What clients make of an answer belongs to the stages that ask: their numbers stand in
# the cache's key too.
ANSWERING = (
    "batches",
    "beams",
    "decode",
    "model",
    "protocol",
    "responses",
    "scoring",
)
# Version of the engine, and the first digits of the hash of what answers in it.
KNOWN = (3, "860614f1daf51721")


def test_the_version_is_raised_when_answers_may_change():
    digest = hashlib.sha256()
    for name in ANSWERING:
        source = Path(safegrid.engine.__file__).with_name(f"{name}.py")
        digest.update(source.read_bytes())
    found = (ENGINE_VERSION, digest.hexdigest()[:16])
    assert found == KNOWN, (
        f"what answers in the engine has changed: raise ENGINE_VERSION if an answer can"
        f" differ (stored answers are then asked again), and write {found} here"
    )


def test_the_version_names_libraries_and_device():
    words = engine_version("cuda").split()
    assert words[0] == str(ENGINE_VERSION)
    assert words[1].startswith("torch2")
    assert words[2].startswith("transformers5")
    assert words[-1] == "cuda"


def test_a_served_name_holds_all_that_answers_depend_on(tmp_path):
    folder = tmp_path / "seed0"
    folder.mkdir()

    def name(weights="w", head="causal", **changes):
        write_result(folder / "manifest.json", {"weights": weights})
        return served_name(EngineSpec(**changes), [folder], head)

    names = [
        name(),
        name(weights="v"),
        name(head="classify"),
        name(dtype="bfloat16"),
        name(batch_size=1),
        name(max_batch_tokens=1),
        name(kind="vllm"),
    ]
    assert len(set(names)) == len(names)
    assert name(idle_seconds=1, max_engines=9, start_seconds=1) == names[0]
    assert "seed0" in names[0]


def test_a_served_name_holds_the_code_that_searches_in_beams(tmp_path):
    folder, code = tmp_path / "seed0", tmp_path / "code/custom_generate/generate.py"
    write_result(folder / "manifest.json", {"weights": "w"})
    code.parent.mkdir(parents=True)
    for path in (code, code.with_name("other.py")):
        path.write_text("# code")

    def name(search=tmp_path / "code"):
        return served_name(EngineSpec(), [folder], "causal", search)

    names = [name(None), name()]
    code.with_name("other.py").write_text("# what the first one imports")
    names.append(name())
    code.with_suffix(".py.manifest.json").write_text("no code")
    assert name() == names[-1]
    assert len(set(names)) == 3
    assert names[0] == served_name(EngineSpec(), [folder], "causal")
