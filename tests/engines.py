"""Engines of ours in tests: what they are started with, and runs they belong to."""

import os
import time
from contextlib import contextmanager

import pytest

from safegrid.config import EngineSpec
from safegrid.engine.launch import LaunchSpec
from safegrid.engine.lease import engines, stop_all


def launch_spec(*stack, **changes):
    """Return what an engine in this process is loaded with: one thread, float32."""
    known = changes.keys() & EngineSpec.model_fields.keys()
    settings = {name: changes.pop(name) for name in known}
    spec = EngineSpec(**{"batch_size": 64, "max_batch_tokens": 4096} | settings)
    given = {"model": "m", "head": "causal", "threads": 1, "key": "k"}
    return LaunchSpec(engine=spec, stack=list(map(str, stack)), **given | changes)


def request(prompt=(1,), **settings):
    """Return a request for completions, greedy where it does not say another thing."""
    from safegrid.engine.protocol import CompletionRequest

    given = {"model": "m", "temperature": 0, "max_tokens": 16, "seed": 0} | settings
    return CompletionRequest(prompt=prompt, **given)


def plain_generate(model, prompt, count):
    """Return the answer of transformers' own `generate` to one prompt."""
    import torch

    ids = torch.tensor([prompt])
    out = model.network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        pad_token_id=0,
        eos_token_id=sorted(model.ends),
    )
    return out[0, len(prompt) :].tolist()


def belong_to_a_run(patch, folder):
    """Let this process be a job of a run that has its engines in a folder."""
    patch.setenv("SAFEGRID_RUN_DIR", str(folder))
    patch.setenv("SAFEGRID_RUN", "test")
    patch.setenv("SAFEGRID_OWNER_PID", str(os.getpid()))
    patch.delenv("SAFEGRID_OWNER_HOST", raising=False)
    patch.delenv("SLURM_JOB_ID", raising=False)


@contextmanager
def own_run(folder):
    """Be a job of a run of its own, whose engines are ended after the block."""
    with pytest.MonkeyPatch.context() as patch:
        belong_to_a_run(patch, folder)
        try:
            yield patch
        finally:
            stop_all()


def wait_until(happens, patience=20.0):
    """Look until it happens, which it must in time."""
    deadline = time.monotonic() + patience
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive():
    """Return the processes of the run's engines."""
    return [engine.process for engine in engines()]
