"""lm-evaluation-harness on our engine, by its own client and ours, and its hf backend.

The stock client is the contract: if it reads our engine as it reads transformers, the
protocol is right. Items are compared one by one.
"""

import json
import random

import pytest

from safegrid.capability.run import capability
from safegrid.config import EngineSpec
from safegrid.core.artifacts import read_result
from safegrid.engine.lease import lease

SCORED = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
"""
CHOICE = """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITTEN = """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{target}}"
generation_kwargs: {until: [" a"], max_gen_toks: 12, temperature: 0.0}
metric_list: [{metric: exact_match}]
"""


@pytest.fixture(scope="module")
def task_folder(tmp_path_factory, causal):
    folder = tmp_path_factory.mktemp("tasks")
    draw = random.Random(3)

    def words(count):
        letters = "abdeiklmnorst"
        return " ".join(
            "".join(draw.choices(letters, k=draw.randint(2, 5))) for _ in range(count)
        )

    rows = [
        {
            "question": words(draw.randint(3, 12)),
            "choices": [words(draw.randint(1, 3)) for _ in range(4)],
            "answer": draw.randrange(4),
            "target": words(2),
        }
        for _ in range(40)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, body in (("choice", CHOICE), ("written", WRITTEN)):
        head = SCORED.format(name=name, rows=path)
        (folder / f"{name}.yaml").write_text(head + body)
    return folder


def evaluate(model, task_folder, **arguments):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(task_folder), include_defaults=False)
    found = simple_evaluate(
        model=model,
        tasks=["choice", "written"],
        task_manager=manager,
        apply_chat_template=True,
        bootstrap_iters=0,
        log_samples=True,
        **arguments,
    )
    return {
        name: sorted(samples, key=lambda sample: sample["doc_id"])
        for name, samples in found["samples"].items()
    }


def test_items_are_those_of_the_hf_backend(
    run, causal, task_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    theirs = evaluate(
        "hf",
        task_folder,
        model_args={"pretrained": str(causal), "dtype": "float32", "device": "cpu"},
        batch_size=16,
    )
    with lease(EngineSpec(), [causal]) as engine:
        monkeypatch.setenv("OPENAI_API_KEY", engine.key)
        ours = evaluate(
            "local-completions",
            task_folder,
            model_args={
                "model": engine.model,
                "tokenizer": str(causal),
                "base_url": f"{engine.url}/v1/completions",
                "tokenizer_backend": "huggingface",
                "tokenized_requests": True,
                "num_concurrent": 1,
                "max_length": engine.max_length,
            },
            batch_size=128,
        )
    answers = set()
    for one, other in zip(theirs["written"], ours["written"], strict=True):
        assert one["resps"] == other["resps"]
        answers.add(one["resps"][0][0])
    assert len(answers) > 10, "the model must say different things to be compared"
    picks = set()
    for one, other in zip(theirs["choice"], ours["choice"], strict=True):
        assert (one["acc"], one["acc_norm"]) == (other["acc"], other["acc_norm"])
        for mine, yours in zip(one["resps"], other["resps"], strict=True):
            assert float(mine[0][0]) == pytest.approx(float(yours[0][0]), abs=1e-3)
            assert str(mine[0][1]) == str(yours[0][1])
        values = [float(reply[0][0]) for reply in one["resps"]]
        picks.add(values.index(max(values)))
    assert picks == {0, 1, 2, 3}
    # A suite scores the same choices right, and finds the hf backend's own answers.
    path, out = task_folder / "rows.jsonl", tmp_path / "suite.json"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, sample in zip(rows, theirs["written"], strict=True):
        row["target"] = sample["resps"][0][0]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files, names = sorted(task_folder.iterdir()), ["choice", "written"]
    capability("suite", names, {}, files, None, [causal], EngineSpec(), out)
    items = read_result(out)["items"]
    found = [item["value"] for item in items["choice"]]
    assert found == [sample["acc"] for sample in theirs["choice"]]
    assert {item["value"] for item in items["written"]} == {1.0}
