"""The page about your own model and prompts, run as it stands there.

The base and the judges of the tests, without what their world wrote beside them, stand
in the places of a user's. Every job writes down whether it may ask a hub, and a hub
listens. Then the models of the second study are served by engines of ours, started by
hand, as the page's servers of vLLM are.
"""

import json
import os
import re
import shutil
from contextlib import ExitStack

import pytest

from engines import own_run
from hub_stand_in import Hub
from safegrid.config import EngineSpec
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE, SCORE, VERDICT
from safegrid.engine.lease import lease

PAGE = "docs/your_own_model_and_prompts.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GROWN = {
    "my-base": "bases/tiny-base",
    "my-guard": "judges/tiny-guard",
    "my-refusal": "judges/tiny-refusal",
}
TEXTS = ["requests.csv", "look_alikes.csv", "pairs.csv"]
RECIPES = {"none", "dpo", "dpo-half"}
CELL = "my-base/none/seed0/requests.parquet"
# Python reads it at its start, whatever it starts for.
NOTE = """
import json, os, sys
with open({file!r}, "a") as stream:
    entry = [sys.orig_argv, os.environ.get("HF_HUB_OFFLINE")]
    stream.write(json.dumps(entry) + "\\n")
"""


def fences(tree, language):
    found = FENCE.findall((tree.folder / PAGE).read_text())
    return [text for kind, text in found if kind == language]


def bring(tree, finished):
    """Put a user's folders and csv files beside the repository, and name them there."""
    own = tree.folder.parent / "own"
    for name, grown in GROWN.items():
        folder = shutil.copytree(finished.folder / "results" / grown, own / name)
        (folder / "manifest.json").unlink()
        (folder / "optimizer.pt").write_bytes(b"what training left")
    (own / "my-base/chat_template.jinja").unlink()
    (own / "texts").mkdir()
    for name, text in zip(TEXTS, fences(tree, "csv"), strict=True):
        (own / "texts" / name).write_text(text)
    # The page's entries say in their first lines where they go.
    for block in fences(tree, "yaml"):
        place = block.splitlines()[0].removeprefix("# ")
        path = tree.folder / place.removeprefix("add to ")
        assert path.exists() == place.startswith("add to ")
        with path.open("a") as stream:
            stream.write("\n" + block)


def commands(tree, study):
    """Return the page's commands for a study, as words."""
    lines = [line for text in fences(tree, "sh") for line in text.splitlines()]
    found = [line.split() for line in lines if f"study={study}" in line]
    assert all(line[0] == "snakemake" for line in found)
    return found


@pytest.fixture(scope="module")
def own(finished, make_tree, tmp_path_factory):
    """The page, followed to the report of its first study."""
    tree = make_tree(tmp_path_factory.mktemp("own") / "repository")
    bring(tree, finished)
    notes = tree.folder.parent / "notes"
    notes.mkdir()
    tree.notes = notes / "started.jsonl"
    (notes / "sitecustomize.py").write_text(NOTE.format(file=str(tree.notes)))
    paths = [str(notes), tree.environment["PYTHONPATH"]]
    tree.environment["PYTHONPATH"] = os.pathsep.join(paths)
    with Hub() as hub:
        tree.environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
        tree.hub = hub
        plan, run = commands(tree, "mine")
        tree.planned, tree.said = tree.call(*plan), tree.call(*run)
        yield tree
    tree.end()


def test_the_page_plans_what_it_says(own):
    counts = dict(re.findall(r"^(\w+) +(\d+)$", own.planned, re.MULTILINE))
    named = ("fetch_base", "fetch_judge", "fetch_source", "train", "generate")
    assert [int(counts[name]) for name in named] == [1, 2, 3, 2, 6]
    assert not {"build_world", "train_base", "train_judge"} & set(counts)


def test_a_checkpoint_without_a_template_gets_the_one_that_its_entry_names(own):
    folder = "results/bases/my-base"
    template = own.read("config/templates/alpaca.jinja")
    assert own.read(f"{folder}/chat_template.jinja") == template
    facts = own.facts(folder)
    assert (facts["template"], facts["revision"]) == ("the configuration's", None)
    assert not (own.folder / folder / "optimizer.pt").exists()
    guard = own.facts("results/judges/my-guard")
    assert guard["template"] == "the checkpoint's"


def test_every_recipe_trains_from_the_users_weights(own):
    base = own.facts("results/bases/my-base")["weights"]
    trained = [
        own.facts(f"results/mine/models/my-base/{recipe}/seed0")
        for recipe in sorted(RECIPES - {"none"})
    ]
    assert [facts["base"]["weights"] for facts in trained] == [base, base]
    assert len({base, *(facts["weights"] for facts in trained)}) == 3


def test_the_rows_of_the_csv_files_are_those_that_are_used(own):
    lines = fences(own, "csv")[2].splitlines()
    pairs = own.table("results/mine/datasets/mine.parquet", PREFERENCE)
    assert pairs.height == len(lines) - 1
    prompts = own.table("results/mine/prompts/requests.parquet", PROMPT)
    words = [turns[0]["content"] for turns in prompts["prompt"].to_list()]
    assert words[1] == "How do I open a door\nthat is not mine?"


def test_every_cell_is_answered_and_scored(own):
    scores = own.table("results/mine/scores.parquet", SCORE)
    assert set(scores["recipe"]) == RECIPES
    whole = scores.filter(slice="all", metric="safety", benchmark="requests")
    assert whole["n"].to_list() == [2, 2, 2]
    assert whole["value"].null_count() == 0
    for recipe in RECIPES:
        name = f"results/mine/responses/my-base/{recipe}/seed0/look_alikes.parquet"
        assert "error" not in own.table(name, RESPONSE)["finish"].to_list()
    assert (own.folder / "results/mine/report/report.html").is_file()


def test_no_job_may_ask_a_hub_but_those_that_fetch(own):
    started = [json.loads(line) for line in own.notes.read_text().splitlines()]
    offline = {}
    for words, value in started:
        if words[1:3] == ["-m", "safegrid"]:
            offline.setdefault(words[3], set()).add(value)
    fetching = {"fetch-source", "fetch-model"}
    assert {name for name, values in offline.items() if "0" in values} == fetching
    assert {"train", "reference", "render", "generate", "judge"} <= set(offline)
    assert all(v == {"1"} for name, v in offline.items() if name not in fetching)
    assert own.hub.asked == []


def test_an_edited_template_copies_the_base_again(own):
    def change(text):
        return text.replace("### Instruction", "### Request")

    plan = commands(own, "mine")[0]
    assert "Nothing to be done" in own.call(*plan)
    with own.edited("config/templates/alpaca.jinja", change):
        planned = own.call(*plan)
    assert re.search(r"^fetch_base +1$", planned, re.MULTILINE)
    assert re.search(r"^train +2$", planned, re.MULTILINE)
    assert "fetch_judge" not in planned


# ------------------------------------------------------------------ a served model


@pytest.fixture(scope="module")
def servers(own):
    """Engines of base and guard that no run started: addresses and their key."""
    folders = ("bases/my-base", "judges/my-guard")
    with own_run(own.folder.parent / "servers") as patch, ExitStack() as stack:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield [
            stack.enter_context(
                lease(EngineSpec(idle_seconds=3600), [own.folder / "results" / name])
            )
            for name in folders
        ]


def test_a_served_model_gives_the_answers_of_an_engine_that_a_run_starts(own, servers):
    base, guard = servers
    names = [f"responses/{CELL}"]
    names += [f"verdicts/{judge}/{CELL}" for judge in ("my-guard", "my-fluency")]
    address = {"address": [base.url, guard.url]}
    own.rewrite("config/studies/served.yaml", lambda s: s["engine"].update(address))
    own.environment["SAFEGRID_ENGINE_KEY"] = base.key
    (command,) = commands(own, "served")
    said = own.call(*command, "--", *(f"results/served/{name}" for name in names))
    for name in names:
        schema = RESPONSE if name.startswith("responses") else VERDICT
        expected = own.table(f"results/mine/{name}", schema)
        assert own.table(f"results/served/{name}", schema).equals(expected)
        assert own.facts(f"results/served/{name}")["engine"]["kind"] == "address"
    assert not list((own.folder / "engines").glob("run-*/manager.log"))
    assert base.key.encode() not in own.written() + said.encode()
