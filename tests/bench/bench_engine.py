"""CPU seconds of engine and client against plain batched `generate` in one process.

Prints JSON. In `tests`, `python -m bench.bench_engine --stack FOLDER ...` measures a
model of one's own; without it a random one of the miniature's size is made. Each repeat
times both sides after each other, so that a busy machine troubles both alike.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import torch

from bench.bench_train import SHAPE
from made_up_training import save_base

os.environ.setdefault("SAFEGRID_RUN", f"bench-{os.getpid()}")
os.environ.setdefault("SAFEGRID_OWNER_PID", str(os.getpid()))

from safegrid.config import Decode, EngineSpec
from safegrid.engine.lease import engines, lease, stop_all
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer

ROWS = 128


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def engine_seconds() -> float:
    """Return what the engines that live have taken so far, children included."""
    found = [psutil.Process(engine.process.pid) for engine in engines()]
    children = [child for one in found for child in one.children(recursive=True)]
    return sum(map(cpu, found + children))


def plain(model, prompts, count, ends):
    """One padded call of `generate`, as a script of its own would make it."""
    longest = max(map(len, prompts))
    pads = [longest - len(prompt) for prompt in prompts]
    rows = zip(pads, prompts, strict=True)
    ids = torch.tensor([[0] * pad + prompt for pad, prompt in rows])
    mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads])
    options = {"do_sample": False, "max_new_tokens": count}
    options |= {"pad_token_id": 0, "eos_token_id": ends}
    out = model.generate(ids, attention_mask=mask, **options)
    return [trim(row[longest:].tolist(), ends) for row in out]


def trim(ids, ends):
    return next((ids[:i] for i, id_ in enumerate(ids) if id_ in ends), ids)


def measure(stack, model, ends, prompts, count):
    """CPU and wall seconds of both sides for one list, and whether they agree."""
    me = psutil.Process()
    decode = Decode(max_new_tokens=count)
    with lease(EngineSpec(), stack) as engine:
        engine.complete(prompts[:2], decode, [0, 0])
        start, mine, its = time.monotonic(), cpu(me), engine_seconds()
        answers = engine.complete(prompts, decode, [0] * len(prompts))
        wall = time.monotonic() - start
        mine, its = cpu(me) - mine, engine_seconds() - its
    start, alone = time.monotonic(), cpu(me)
    expected = plain(model, prompts, count, ends)
    return {
        "client": mine,
        "engine": its,
        "plain": cpu(me) - alone,
        "ratio": (mine + its) / (cpu(me) - alone),
        "wall_ratio": wall / (time.monotonic() - start),
        "equal": sum(a.text_ids == e for a, e in zip(answers, expected, strict=True)),
        "tokens": sum(a.n_tokens for a in answers),
    }


def start_cost(stack, mode):
    """CPU and wall seconds until an engine answers; forks after the first start."""
    os.environ["SAFEGRID_ENGINE_START"] = mode
    stop_all()
    costs = []
    for chunk in (1, 2) if mode == "fork" else (1,):
        start = time.monotonic()
        with lease(EngineSpec(batch_size=chunk, max_engines=1), stack):
            wall = time.monotonic() - start
            costs.append({"cpu": engine_seconds(), "wall": wall})
    stop_all()
    return costs[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=24)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = given.stack or [Path(folder)]
        if given.stack is None:
            save_base(Path(folder), **SHAPE)
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        model = load_model(stack)
        draw = random.Random(0)
        most = model.get_input_embeddings().num_embeddings
        prompts = [
            [draw.randrange(3, most) for _ in range(draw.randint(8, 28))]
            for _ in range(ROWS)
        ]
        ends = [ChatTokenizer.load(stack[-1]).eos_id]
        try:
            rounds = [
                measure(stack, model, ends, prompts, given.new_tokens)
                for _ in range(given.repeats)
            ]
            starts = {mode: start_cost(stack, mode) for mode in ("spawn", "fork")}
        finally:
            stop_all()
    best = {key: min(r[key] for r in rounds) for key in ("client", "engine", "plain")}
    found = {
        "rows": ROWS,
        "new_tokens": given.new_tokens,
        "cpu_seconds_best": best,
        "cpu_ratio_of_best": (best["client"] + best["engine"]) / best["plain"],
        "cpu_ratio_median": statistics.median(r["ratio"] for r in rounds),
        "wall_ratio_median": statistics.median(r["wall_ratio"] for r in rounds),
        "equal_answers": [r["equal"] for r in rounds],
        "tokens_a_cpu_second": rounds[0]["tokens"] / best["engine"],
        "start": starts,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
