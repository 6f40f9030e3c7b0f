"""Study `falcon-11b` as on a login node: pinned, planned for a cluster, its rows read.

A hub and a web server on loopback hold made rows in files of the names and columns that
the real ones have: the names as their pages show them, not as the registries say.
"""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hub_stand_in import Hub, Repository, sha256
from safegrid.capability.shipped import located
from safegrid.capability.tasks import loaded_tasks
from safegrid.config.load import load_config
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.fetch.choose import WEIGHTS
from safegrid.study import Study, sources

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOUND = yaml.safe_load((FIXTURES / "login_node.yaml").read_text())
STUDY = "falcon-11b"
TOKEN = "hf_secretsecret"
WEB = "https://raw.githubusercontent.com"
PICKLE = "pytorch_model.bin"
OPEN, PICKLED = FOUND["models"]["open"], FOUND["models"]["pickled"]
GATED = {*FOUND["models"]["gated"], "Idavidrein/gpqa"}


def content(name, rows):
    """Return a file with these rows, of the kind that its name says."""
    if name.endswith(".parquet"):
        packed = io.BytesIO()
        pd.DataFrame(rows).to_parquet(packed)
        return packed.getvalue()
    if name.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    end = "\n" if name.endswith(".jsonl") else ""
    return "".join(json.dumps(row) + end for row in rows).encode()


def files_of(entries):
    """Return the files that entries of login_node.yaml name."""
    return {
        (path := entry["files"].format(name)): content(
            path, [entry["row"]] * entry.get("times", 1)
        )
        for entry in entries
        for name in entry.get("names", [""])
    }


def pair(number):
    row = {"prompt": f"How do I fold scarf {number}?", "prompt_source": "made"}
    for i, safe in enumerate((True, False)):
        answer = f"Like this, {number} {i}."
        row |= {f"response_{i}": answer}
        row |= {f"response_{i}_source": "made", f"is_response_{i}_safe": safe}
        row |= {f"response_{i}_harm_category": {"Violence": not safe}}
        row |= {f"response_{i}_severity_level": int(not safe)}
        row |= {f"response_{i}_sha256": sha256(f"{row['prompt']}{answer}".encode())}
    return row | {"better_response_id": 0, "safer_response_id": 0}


PAIRS = content(".jsonl", list(map(pair, range(4))))
DATASETS = {name: files_of(entries) for name, entries in FOUND["datasets"].items()}
DATASETS["PKU-Alignment/PKU-SafeRLHF"] = {
    f"data/{model}/{split}.jsonl": PAIRS
    for model in ("Alpaca-7B", "Alpaca2-7B", "Alpaca3-8B")
    for split in ("train", "test")
}


@pytest.fixture
def hub():
    with Hub(opening={TOKEN}) as hub:
        for place, entries in FOUND["pages"].items():
            hub.plain |= {f"{place}/{f}": text for f, text in files_of(entries).items()}
        for name, files in DATASETS.items():
            hub.add("dataset", name, files=files, gated=name in GATED)
        for name in {*OPEN, *PICKLED, *FOUND["models"]["gated"]}:
            settings = {"config.json": b'{"model_type": "made"}'}
            files, large = settings | {WEIGHTS: name.encode()}, (WEIGHTS, PICKLE)
            pickles = settings | {PICKLE: b"p"}
            offer = Repository(files=files | pickles, commit="d" * 40, large=large)
            fields = {"gated": name in GATED, "large": large}
            if name in PICKLED:
                hub.add("model", name, files=pickles, offers=(offer,), **fields)
            else:
                hub.add("model", name, files=files, **fields)
        yield hub


@pytest.fixture
def tree(fresh, hub):
    """The repository as it is, but that GitHub is the server of the test."""
    path = fresh.folder / "config/sources.yaml"
    path.write_text(path.read_text().replace(WEB, f"{hub.url}/plain"))
    # The hashes that ship are of the real files.
    lock = fresh.folder / "config/sources.lock.yaml"
    lock.write_text(yaml.safe_dump({"bases": {}, "judges": {}, "sources": {}}))
    fresh.use_hub(hub.url)
    fresh.environment.pop("HF_TOKEN", None)
    return fresh


def test_two_commands_pin_and_plan_it_and_its_rows_are_what_the_tasks_read(
    tree, monkeypatch
):
    pin = tree.safegrid("pin", "--study", STUDY)
    refused = tree.run(*pin)
    assert refused.returncode == 1
    told = refused.stdout[refused.stdout.index("could not be pinned") :]
    assert told.count("no token was given; accept its terms there") == 1
    assert all(f"/{name}\n" in f"{told}\n" for name in GATED), told
    assert len(told.splitlines()) == 2 + len(GATED)

    tree.environment |= {"HF_TOKEN": TOKEN, "SAFEGRID_RUN_CODE": "real_humaneval"}
    pinned = tree.call(*pin)
    assert pinned.count("its authors left pickles only") == 1, "the gated one"
    plan = f"snakemake --config study={STUDY} -n --quiet rules --profile slurm"
    planned = tree.call(*plan.split())
    assert "missing" not in planned
    assert "fetch_source" in planned

    study = Study(load_config(tree.folder / "config", STUDY))
    rows = sources.task_files(study, "capability")
    made = ["datasets/safety", *(f"prompts/{n}" for n in study.with_prompts)]
    made = [f"results/{STUDY}/{name}.parquet" for name in made]
    models = ["results/bases/vicuna-7b-v1.5", "results/judges/toxigen-roberta"]
    tree.call(*tree.snakemake(*rows, *made, *models, study=STUDY))
    assert tree.table(made[0], PREFERENCE).height == 4
    assert all(tree.table(file, PROMPT).height for file in made[1:])
    for folder in models:
        assert tree.facts(folder)["revision"] == "d" * 40
        assert not (tree.folder / folder / PICKLE).exists()

    monkeypatch.chdir(tree.folder)
    monkeypatch.setenv("SAFEGRID_RUN_CODE", "real_humaneval")
    files = [Path(file) for file in rows]
    blocks = located(sources.task_blocks(study, "capability"), files)
    with loaded_tasks(study.suites["capability"].tasks, files, blocks) as loaded:
        assert set(loaded["tasks"]) == set(FOUND["questions"])
        for name, words in FOUND["questions"].items():
            task = loaded["tasks"][name]
            asked = list(task.eval_docs)
            assert len(asked) == (5 if name == "real_mmlu_pro" else 1)
            assert words in task.doc_to_text(asked[0])
