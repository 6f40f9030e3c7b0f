"""A stand-in for an engine, and a small suite of tasks in files."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from safegrid.models.templates import ChatTokenizer

RIGHT, WRONG = -0.25, -3.0
COLOURS = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white"}


class StandIn:
    """Knows the colours of some things, and keeps bodies and keys of its requests."""

    def __init__(self, tokenizer: ChatTokenizer, knows: set[str]) -> None:
        self.tokenizer = tokenizer
        self.knows = knows
        self.context = 200
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.status = 200

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        choices = [
            {"index": i, **self._choice(ids, body.get("echo", False))}
            for i, ids in enumerate(body["prompt"])
        ]
        usage = {"completion_tokens": 0 if body.get("echo") else len(choices)}
        # Out of order on purpose: a client must go by the index.
        return {"choices": choices[::-1], "usage": usage}

    def _choice(self, ids: list[int], echo: bool) -> dict[str, Any]:
        text = self.tokenizer.decode(ids, skip_special=False)
        question, answer = text.split("<bot>")
        thing = question.split()[-1].rstrip("?")
        if not echo:
            return {"text": COLOURS[thing] if thing in self.knows else "no idea"}
        right = (COLOURS[thing] == answer.strip()) == (thing in self.knows)
        values = [RIGHT if right else WRONG] * len(ids)
        tops = [None, *({"x": value} for value in values)]
        return {"logprobs": {"token_logprobs": [None, *values], "top_logprobs": tops}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                stand_in.asked.append((body, self.headers["Authorization"]))
                reply = json.dumps(stand_in.answer(body)).encode()
                self.send_response(stand_in.status)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        return Handler


@pytest.fixture
def stand_in(base_folder):
    engine = StandIn(ChatTokenizer.load(base_folder), {"sky", "grass"})
    thread = threading.Thread(target=engine.server.serve_forever, args=(0.02,))
    thread.start()
    yield engine
    engine.server.shutdown()
    thread.join()
    engine.server.server_close()


@pytest.fixture
def task_files(tmp_path):
    """Write tasks `colours` (choices) and, in a folder below, `names` (answers)."""
    rows = [
        {
            "question": f"What colour has {thing}?",
            "colour": colour,
            "choices": sorted(COLOURS.values()),
            "place": sorted(COLOURS.values()).index(colour),
        }
        for thing, colour in COLOURS.items()
    ]
    colours = {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "place",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc", "aggregation": "mean"}],
    }
    names = {
        "output_type": "generate_until",
        "doc_to_target": "{{colour}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean"}],
    }
    folder = tmp_path / "tasks"
    return [
        *_task(folder, "colours", rows, colours),
        *_task(folder / "dev", "names", rows, names),
    ]


def _task(
    folder: Path, name: str, rows: list[dict[str, Any]], block: dict[str, Any]
) -> list[Path]:
    folder.mkdir()
    common = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "doc_to_text": "{{question}}",
        "metadata": {"version": 3},
    }
    files = [folder / f"{name}.yaml", folder / f"{name}.jsonl"]
    files[0].write_text(yaml.safe_dump(common | block))
    files[1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return files
