"""CPU seconds of vLLM and of our engine for the same requests, one thread each.

Prints JSON. In `tests`, `SAFEGRID_VLLM=.../vllm python -m bench.bench_vllm --model
FOLDER`: a full model whose heads are 32 numbers wide or more. Clients are not counted;
nor is the start, which is told apart. `--record` writes what was found into
docs/bench.json, where `make bench` leaves it alone.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from bench.bench_engine import engine_seconds
from bench.run import RECORD
from safegrid.config import Decode, EngineSpec
from safegrid.engine.client import Engine
from safegrid.engine.lease import lease, stop_all

KEY = "vllm_against_ours"
ENGINES = {
    "ours": EngineSpec(max_engines=1, idle_seconds=600),
    "vllm": EngineSpec(
        kind="vllm",
        max_engines=1,
        idle_seconds=600,
        start_seconds=1200,
        gpu_memory_utilization=0.1,
        max_model_len=2048,
        # Without a cache of prefixes, so that a repeated row is work again.
        extra_args=["--enforce-eager", "--no-enable-prefix-caching"],
    ),
}


def rows(count: int, length: int, seed: int) -> list[list[int]]:
    """Return prompts of random tokens; each use has its own."""
    draw = random.Random(seed)
    return [
        [1, *(draw.randrange(100, 400) for _ in range(length))] for _ in range(count)
    ]


@contextmanager
def counted(found: dict[str, float], name: str) -> Iterator[None]:
    """Note the processor's seconds of a block under a name."""
    before = engine_seconds()
    yield
    found[name] = engine_seconds() - before


def measure(engine: Engine, count: int, length: int, new: int) -> dict[str, Any]:
    """Return the seconds of each kind of request, after one that warms up."""
    greedy = Decode(max_new_tokens=new)
    words = [[200], [300]]
    engine.complete(rows(4, length, 0), Decode(max_new_tokens=2), [0] * 4)
    engine.label_logprobs(rows(4, length, 0), words)
    found: dict[str, Any] = {"start": engine_seconds()}
    with counted(found, "greedy"):
        answers = engine.complete(rows(count, length, 1), greedy, [0] * count)
    with counted(found, "two_labels"):
        engine.label_logprobs(rows(count, length, 2), words)
    with counted(found, "two_labels_by_echo"):
        prompts = rows(count, length, 3)
        whole = [[*row, label] for row in prompts for label in (200, 300)]
        engine.sequence_logprobs(whole, [length + 1] * 2 * count)
    with counted(found, "likelihood"):
        engine.sequence_logprobs(rows(count, length, 4), [length // 2] * count)
    written = sum(answer.n_tokens for answer in answers)
    return found | {"greedy_tokens_a_second": written / found["greedy"]}


def main() -> None:
    """Measure both engines, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--length", type=int, default=90)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    record: dict[str, Any] = {
        "model": options.model.name,
        "date": time.strftime("%Y-%m-%d"),
        "rows": options.rows,
        "tokens_a_row": options.length + 1,
        "new_tokens": options.new_tokens,
        "dtype": "float32",
        "cpu_seconds": {},
    }
    for name, spec in ENGINES.items():
        with lease(spec, [options.model]) as engine:
            sizes = options.rows, options.length, options.new_tokens
            found = measure(engine, *sizes)
            record[name] = engine.identity.version
        record["cpu_seconds"][name] = {k: round(v, 2) for k, v in found.items()}
        stop_all()
    print(json.dumps(record, indent=2))
    if options.record:
        whole = json.loads(RECORD.read_text())
        RECORD.write_text(json.dumps(whole | {KEY: record}, indent=2) + "\n")


if __name__ == "__main__":
    main()
