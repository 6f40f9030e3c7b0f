"""What several rooms' unit tests share: a model's folder without a model."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from safegrid.config import Decode
from safegrid.core.seals import write_result
from safegrid.engine.calls import UsageCounter
from safegrid.engine.client import Completion
from safegrid.engine.identity import Identity
from tiny_models import byte_level

SPECIAL = ["<s>", "</s>", "<pad>", "<user>", "<bot>"]
BASE_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<user>"
    "{{ m['content'] }}{% else %}<bot>{{ m['content'] }}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)
# Like Llama Guard's: the conversation is quoted inside one user turn, with labels.
GUARD_TEMPLATE = (
    "{{ bos_token }}<user>Is the last Agent message safe?\n"
    "{% for m in messages %}{% if m['role'] == 'user' %}User: {% else %}Agent: "
    "{% endif %}{{ m['content'] | trim }}\n{% endfor %}<bot>"
)
TEXTS = ["what is the sum of two and three", "safe", "unsafe\nS1,S10", "yes", "no"]

MakeFolder = Callable[[str, str | None], Path]


@pytest.fixture(scope="session")
def backend_json() -> str:
    return str(byte_level(TEXTS * 5, 320, SPECIAL).to_str())


@pytest.fixture
def make_folder(tmp_path: Path, backend_json: str) -> MakeFolder:
    """Return a maker of model folders: name and chat template to folder."""

    def make(name: str, template: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        settings = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        if template is not None:
            settings["chat_template"] = template
        (folder / "tokenizer.json").write_text(backend_json)
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        write_result(folder / "manifest.json", {"weights": f"{name}-w"})
        return folder

    return make


@pytest.fixture
def base_folder(make_folder: MakeFolder) -> Path:
    return make_folder("base", BASE_TEMPLATE)


@pytest.fixture
def guard_folder(make_folder: MakeFolder) -> Path:
    return make_folder("guard", GUARD_TEMPLATE)


class FakeEngine:
    """An engine whose answers are functions of a test; it counts what it is asked.

    Rows longer than `max_length` are refused as the real client refuses them.
    """

    def __init__(self) -> None:
        self.identity = Identity("fake", "1", "float32", "w")
        self.max_length = 10_000
        self.usage = UsageCounter("a fake device")
        self.leases = 0
        self.asked = 0
        self.answer: Callable[[list[int], int], Completion] = lambda ids, seed: (
            Completion([5], "eos", 2, "ok")
        )
        self.labels: Callable[[list[int], list[list[int]]], list[float]] = (
            lambda ids, labels: [math.log(0.5) for _ in labels]
        )
        self.tokens: Callable[[list[int], int], list[float]] = lambda ids, n: (
            [-1.0] * (len(ids) - n)
        )
        self.classes: Callable[[list[int]], list[float]] = lambda ids: [0.5, 0.5]
        self.outputs: Callable[[list[int]], list[float]] = lambda ids: [float(len(ids))]

    def complete(self, ids: Any, decode: Decode, seeds: Any) -> list[Completion]:
        return self._each(
            zip(ids, seeds, strict=True), self.answer, Completion([], "error", 0)
        )

    def label_logprobs(self, ids: Any, labels: Any) -> list[list[float]]:
        nothing = [math.nan] * len(labels)
        return self._each(((row, labels) for row in ids), self.labels, nothing)

    def sequence_logprobs(self, ids: Any, n_context: Any) -> list[list[float]]:
        return self._each(zip(ids, n_context, strict=True), self.tokens, [math.nan])

    def values(self, name: str, ids: Any) -> list[list[float]]:
        answer = {"classify": self.classes, "logits": self.outputs}[name]
        return self._each(((row,) for row in ids), answer, [])

    def _each(self, questions: Any, answer: Any, refusal: Any) -> list[Any]:
        results = []
        for question in questions:
            self.asked += 1
            fits = len(question[0]) <= self.max_length
            results.append(answer(*question) if fits else refusal)
        return results


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Return the engine that every lease of the test will give."""
    engine = FakeEngine()

    @contextmanager
    def lease(
        spec: Any, stack: Any, head: str, search: Any = None
    ) -> Iterator[FakeEngine]:
        engine.leases += 1
        yield engine

    monkeypatch.setattr("safegrid.engine.asking.lease", lease)
    return engine
