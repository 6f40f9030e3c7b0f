#!/usr/bin/env python3
"""A stand-in for `vllm serve` that speaks the part of its API that we use.

It answers from the ids alone and writes every request to the file that STAND_IN_LOG
names. What vLLM would refuse, it refuses. An answer takes it STAND_IN_PACE seconds;
after STAND_IN_LIVES requests it dies of the next one; with STAND_IN_SICK it stays
instead and answers with status 500, at that path too, as a vLLM whose engine died. With
STAND_IN_OLD it knows no `logprob_token_ids`, as older releases: unknown fields pass.
"""

import argparse
import itertools
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Fields of vLLM's CompletionRequest that a client of ours may send.
KNOWN = {
    *("model", "prompt", "max_tokens", "temperature", "top_p", "top_k", "stop"),
    *("frequency_penalty", "seed", "echo", "logprobs", "logprob_token_ids"),
    *("return_token_ids", "return_tokens_as_token_ids"),
}
EOS = 2


PARSER = argparse.ArgumentParser()
PARSER.add_argument("command", choices=["serve"])
PARSER.add_argument("model")
for option in ("port", "dtype", "generation-config"):
    PARSER.add_argument(f"--{option}", required=True)
for option in ("served-model-name", "gpu-memory-utilization", "tensor-parallel-size"):
    PARSER.add_argument(f"--{option}")
PARSER.add_argument("--host", default="127.0.0.1")
PARSER.add_argument("--max-model-len", type=int, default=64)
PARSER.add_argument("--enforce-eager", action="store_true")
ARGS = PARSER.parse_args()
# As vLLM does: the name is what it was given to serve.
NAME = ARGS.served_model_name or ARGS.model
KEY = os.environ.get("VLLM_API_KEY")
PACE = float(os.environ.get("STAND_IN_PACE", "0"))
LIVES = itertools.count(int(os.environ.get("STAND_IN_LIVES", "-1")), -1)


SICK = []


def record(entry):
    if "STAND_IN_LOG" in os.environ:
        with open(os.environ["STAND_IN_LOG"], "a") as stream:
            stream.write(json.dumps(entry) + "\n")


def choice(index, prompt, body):
    found = {"index": index, "text": "", "finish_reason": "length", "stop_reason": None}
    if body.get("echo"):
        values = [None, *(-0.5 * i for i in [*prompt, EOS][1:])]
        return {**found, "logprobs": {"token_logprobs": values}}
    if body.get("logprob_token_ids"):
        ids = [EOS] if "STAND_IN_OLD" in os.environ else body["logprob_token_ids"]
        top = {f"token_id:{i}": -0.5 * i for i in ids}
        return {**found, "logprobs": {"top_logprobs": [top]}}
    ids = [prompt[-1], (body.get("seed") or 0) % 1000, EOS][: body["max_tokens"]]
    finish = "stop" if ids[-1] == EOS else "length"
    text = " ".join(map(str, ids))
    return {**found, "text": text, "finish_reason": finish, "token_ids": ids}


def refusal(body):
    """Why vLLM would refuse a request for completions, if it would."""
    if set(body) - KNOWN:
        return f"unknown {sorted(set(body) - KNOWN)}"
    if not isinstance(body.get("seed", 0), int) or len(body["prompt"]) > 1024:
        return "one seed, at most 1024 prompts"
    return "max_tokens must be at least 1" if body["max_tokens"] < 1 else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def allowed(self):
        if self.path.startswith("/v1") and KEY:
            return self.headers.get("Authorization") == f"Bearer {KEY}"
        return True

    def do_GET(self):
        card = {"id": NAME, "max_model_len": ARGS.max_model_len, "owned_by": "vllm"}
        pages = {
            "/health": {},
            "/version": {"version": "0.0.stand-in"},
            "/v1/models": {"object": "list", "data": [card]},
        }
        known = self.path in pages
        status = (200 if known else 404) if self.allowed() else 401
        if SICK and self.path == os.environ["STAND_IN_SICK"]:
            status = 500
        self.answer(status, pages.get(self.path, {}))

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(size))
        record({"path": self.path, **body})
        if next(LIVES) == 0:
            if "STAND_IN_SICK" not in os.environ:
                os._exit(1)
            SICK.append(True)
            print("WARNING [a.py:1] errors like `OSError: 24`", file=sys.stderr)
            print("RuntimeError: the cause of it all", file=sys.stderr)
            print("\n".join(f"line {n}" for n in range(85)), file=sys.stderr)
        if SICK:
            return self.answer(500, {"error": "EngineCore encountered an issue"})
        time.sleep(PACE)
        if not self.allowed():
            given = self.headers.get("Authorization")
            return self.answer(401, {"error": f"Unauthorized: {given}"})
        if body["model"] != NAME:
            return self.answer(404, {"error": "no such model"})
        if self.path == "/classify":
            data = [
                {"index": i, "label": "a", "probs": [0.25, 0.75], "num_classes": 2}
                for i, _ in enumerate(body["input"])
            ]
            return self.answer(200, {"data": data})
        if told := refusal(body):
            return self.answer(400, {"error": told})
        choices = [choice(i, prompt, body) for i, prompt in enumerate(body["prompt"])]
        written = sum(len(choice.get("token_ids", [0])) for choice in choices)
        usage = {"prompt_tokens": sum(map(len, body["prompt"]))}
        usage["completion_tokens"] = written
        return self.answer(200, {"choices": choices[::-1], "usage": usage})

    def log_message(self, form, *values):
        print(form % values, file=sys.stderr)


if ARGS.dtype == "bfloat16":
    sys.exit("stand-in: this device has no bfloat16")
time.sleep(float(os.environ.get("STAND_IN_SLOW", "0")))
VARIABLES = {name: os.environ[name] for name in os.environ if name[:5] == "VLLM_"}
record({"path": "start", "arguments": sys.argv[1:], "variables": VARIABLES})
ThreadingHTTPServer((ARGS.host, int(ARGS.port)), Handler).serve_forever()
