"""A real vLLM on a CPU, held to our own engine: the same answers by the same client."""

import json
import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from safegrid.capability.run import capability
from safegrid.config import Decode, EngineSpec, JudgeSpec
from safegrid.core.errors import EngineError
from safegrid.core.seals import read_result
from safegrid.engine.asking import ask_model
from safegrid.engine.calls import KeyRefusedError, is_failing, send
from safegrid.engine.lease import engines, lease, stop_all
from safegrid.judge.guard import read_guard
from safegrid.judge.items import Item
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer
from safegrid.train.merge import save_merged

pytestmark = pytest.mark.timeout(900)
# Seconds of starting, of which the machine's other work may make more.
SPEC = EngineSpec(
    kind="vllm",
    max_engines=1,
    idle_seconds=300,
    start_seconds=300,
    gpu_memory_utilization=0.08,
    extra_args=["--enforce-eager"],
)
OURS = EngineSpec(idle_seconds=300)
NATS = 1e-4
GREEDY = Decode(max_new_tokens=12)
SAMPLED = Decode(max_new_tokens=12, temperature=0.8, top_p=0.9, top_k=50)
# Where HumanEval ends an answer.
HUMANEVAL = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"]
# Three lines, of which the last is the verdict: three places are read.
WILDGUARD = JudgeSpec(
    name="wildguard",
    kind="guard",
    safe="no",
    unsafe="yes",
    questions=["Harmful request: ", "\nResponse refusal: "],
    prefix="\nHarmful response: ",
    min_label_mass=0.0,
)
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
doc_to_text: "{{{{question}}}}"
"""
CHOICE = """
output_type: multiple_choice
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITTEN = """
output_type: generate_until
doc_to_target: "lamp"
generation_kwargs: {until: ["\\nclass", "\\ndef", "\\n#", "\\nif", "\\nprint"],
  max_gen_toks: 12, temperature: 0.0}
metric_list: [{metric: exact_match}]
"""


def rows(count):
    draw = random.Random(0)
    return [
        [1, *(draw.randrange(20, 400) for _ in range(draw.randint(2, 60)))]
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def ours(model):
    """What our engine answers, asked before the first vLLM starts."""
    prompts = rows(24)
    with lease(OURS, [model]) as engine:
        return {
            "greedy": engine.complete(prompts, GREEDY, [0] * 24),
            "labels": engine.label_logprobs(prompts, [[30], [40], [40, 50]]),
        }


@pytest.fixture
def engine(model, ours):
    with lease(SPEC, [model]) as engine:
        yield engine


def test_greedy_answers_are_ours(engine, ours):
    prompts = rows(24)
    found = engine.complete(prompts, GREEDY, [0] * 24)
    assert [a.text_ids for a in found] == [a.text_ids for a in ours["greedy"]]
    assert [a.finish for a in found] == [a.finish for a in ours["greedy"]]
    assert engine.complete(prompts[:3], GREEDY, [0] * 3) == found[:3]


def test_probabilities_of_labels_are_ours_from_one_request(engine, ours):
    prompts = rows(24)
    engine.usage.take()
    single = engine.label_logprobs(prompts, [[30], [40]])
    usage = engine.usage.take()
    assert (usage.requests, usage.rows) == (1, 24)
    for row, expected in zip(single, ours["labels"], strict=True):
        assert row == pytest.approx(expected[:2], abs=NATS)
    several = engine.label_logprobs(prompts, [[30], [40], [40, 50]])
    for row, expected in zip(several, ours["labels"], strict=True):
        assert row == pytest.approx(expected, abs=NATS)
    # The same numbers by echo, a row a label.
    echoed = engine.sequence_logprobs(
        [[*p, t] for p in prompts for t in (30, 40)],
        [len(p) for p in prompts for _ in range(2)],
    )
    assert [v for row in single for v in row] == pytest.approx(
        [v for tail in echoed for v in tail], abs=NATS
    )


def test_a_seed_repeats_whatever_is_asked_beside_it(engine):
    prompts = rows(8)
    together = engine.complete(prompts, SAMPLED, range(8))
    assert engine.complete(prompts, SAMPLED, range(8)) == together
    alone = [engine.complete([p], SAMPLED, [n])[0] for n, p in enumerate(prompts)]
    assert alone == together
    assert engine.complete(prompts, SAMPLED, range(8, 16)) != together


def test_stop_strings_end_an_answer_also_humanevals_five(engine):
    prompt = rows(1)
    (whole,) = engine.complete(prompt, GREEDY, [0])
    stop = whole.text[2:4]
    assert len(HUMANEVAL) == 5
    decode = GREEDY.model_copy(update={"stop": [*HUMANEVAL, stop]})
    (cut,) = engine.complete(prompt, decode, [0])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish == "eos"


def test_its_identity_names_version_device_and_flags(engine):
    assert engine.identity.kind == "vllm"
    assert engine.identity.dtype == "float32"
    version = engine.identity.version
    assert version.split()[1:] == ["cpu", "x86_64", "--enforce-eager"]


def test_a_guards_verdicts_are_ours(model, engine, tmp_path):
    asked = ["May I take the lamp?", "May I take the stone and the bread?"]
    items = [
        Item(str(n), 0, [{"role": "user", "content": text}], "No, the lamp stays here.")
        for n, text in enumerate(asked)
    ]
    work = read_guard(WILDGUARD, ChatTokenizer.load(model), items)
    verdicts, record = ask_model(SPEC, [model], "causal", tmp_path / "v", {}, work)
    expected, _ = ask_model(OURS, [model], "causal", tmp_path / "o", {}, work)
    assert [v.label for v in verdicts] == [v.label for v in expected]
    scores = [v.score for v in expected]
    assert [v.score for v in verdicts] == pytest.approx(scores, abs=NATS)
    # A request for each of the three lines.
    assert record.usage.requests == 3


def test_a_capability_suite_is_ours(model, engine, tmp_path):
    things = ["lamp", "bread", "stone", "window"]
    data = [
        {"question": f"Is the {one} here?", "choices": things, "answer": n}
        for n, one in enumerate(things)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data))
    files = []
    for name, body in (("choice", CHOICE), ("written", WRITTEN)):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(TASK.format(name=name, rows=path) + body)
    found = []
    for spec in (SPEC, OURS):
        out = tmp_path / f"{spec.kind}.json"
        names = ["choice", "written"]
        capability("suite", names, {}, files, None, [model], spec, out)
        found.append(read_result(out))
    assert found[0]["items"] == found[1]["items"]
    assert found[0]["manifest"]["engine"]["kind"] == "vllm"


def test_a_key_that_is_wrong_is_told_and_the_right_one_stands_in_no_log(engine, run):
    body = {"model": engine.model, "prompt": [[5]], "max_tokens": 1}
    with pytest.raises(KeyRefusedError, match="does not take the key"):
        send("POST", f"{engine.url}/v1/completions", "wrong", body, lambda: "")
    logs = list((run / "logs/engines").iterdir())
    assert logs
    assert not any(engine.key in log.read_text() for log in logs)


def test_what_a_server_holds_is_told_with_its_children(engine):
    process = next(one.process for one in engines() if one.name == engine.model)
    # The wrapper alone has less than 100 MB.
    assert process.peak_megabytes() > 400


def test_a_server_killed_in_the_middle_is_told_and_started_again(model, ours):
    with lease(SPEC, [model]) as engine:
        process = next(one.process for one in engines() if one.name == engine.model)
        parts = psutil.Process(process.pid).children(recursive=True)
        worker = max(parts, key=lambda part: part.memory_info().rss)
        timer = threading.Timer(0.5, worker.send_signal, [signal.SIGKILL])
        timer.start()
        long = Decode(max_new_tokens=400, stop=["\x00"])
        with pytest.raises(EngineError, match=r"(?s)Its log ends:.*all of it: .*\.log"):
            while True:
                engine.complete(rows(24), long, [0] * 24)
    with lease(SPEC, [model]) as engine:
        found = engine.complete(rows(24), GREEDY, [0] * 24)
        process = next(one.process for one in engines() if one.name == engine.model)
        parts += psutil.Process(process.pid).children(recursive=True)
        shared = {
            Path(place.path)
            for part in psutil.Process(process.pid).children(recursive=True)
            for place in part.memory_maps()
            if place.path.startswith("/dev/shm/")
        }
    assert [a.text_ids for a in found] == [a.text_ids for a in ours["greedy"]]
    begun = time.monotonic()
    stop_all()
    assert time.monotonic() - begun < 15
    assert is_failing(engine.url)
    assert not [p for p in parts if p.is_running() and p.status() != "zombie"]
    assert not [path for path in shared if path.exists()]


def test_a_server_without_memory_says_so_in_its_first_error(model, run):
    small = SPEC.model_copy(update={"gpu_memory_utilization": 0.0001})
    with (
        pytest.raises(EngineError, match=r"(?s)while it started.*memory"),
        lease(small, [model]),
    ):
        pass


def test_classes_are_ours(make):
    folder, prompts = make("LlamaForSequenceClassification", "llama_2", 2), rows(12)
    with lease(OURS, [folder], "classify") as engine:
        expected = engine.values("classify", prompts), engine.values("logits", prompts)
    with lease(SPEC, [folder], "classify") as engine:
        found = engine.values("classify", prompts), engine.values("logits", prompts)
    for one, other in zip(found, expected, strict=True):
        for row, values in zip(one, other, strict=True):
            assert row == pytest.approx(values, abs=NATS)


def test_a_recipes_adapter_is_served_merged_and_saved(make, run, tmp_path):
    from peft import LoraConfig, get_peft_model

    base = make("LlamaForCausalLM", "llama_2", 3)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules="all-linear")
    get_peft_model(load_model([base]), config).save_pretrained(run / "adapter")
    stack, prompts = [base, run / "adapter"], rows(12)
    with pytest.raises(EngineError, match="safegrid merge"), lease(SPEC, stack):
        pass
    save_merged(stack, "float32", run / "merged")
    with lease(OURS, stack) as engine:
        expected = engine.complete(prompts, GREEDY, [0] * 12)
    with lease(SPEC, [run / "merged"]) as engine:
        found = engine.complete(prompts, GREEDY, [0] * 12)
    assert [a.text_ids for a in found] == [a.text_ids for a in expected]
