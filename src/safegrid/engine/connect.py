"""The server behind an address, checked: model, version, API key.

A server that runs already does not say whose weights it holds, so the model is asked
for by name: its folder, which is what `vllm serve FOLDER` calls it, or the name that an
engine of ours serves under.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safegrid.config import EngineSpec
from safegrid.config.engine import ENGINE_KEY
from safegrid.core.errors import EngineError
from safegrid.engine.calls import KeyRefusedError, send
from safegrid.engine.client import Engine
from safegrid.engine.identity import Identity, served_name, vllm_version
from safegrid.models.checkpoints import Head, weights_hash
from safegrid.runtime.devices import UNKNOWN, visible_gpu

Card = dict[str, Any]


def find_engine(spec: EngineSpec, stack: Sequence[Path], head: Head) -> Engine:
    """Return the engine that serves a model at one of the study's addresses.

    They are asked in order; the key for all is in the variable SAFEGRID_ENGINE_KEY.

    Raises:
        EngineError: none serves it; with what each address says.
    """
    key = os.environ.get(ENGINE_KEY)
    ours = served_name(spec.model_copy(update={"kind": "safegrid"}), stack, head)
    how_to_serve = (
        "serve the folder under its own path"
        if len(stack) == 1
        else "an adapter is answered for by an engine of safegrid only; `safegrid"
        " merge` saves the merged model"
    )
    told = []
    for url in (address.rstrip("/") for address in spec.address or []):
        try:
            cards = served_by(url, key)
        except EngineError as error:
            told.append(_refusal(error, url, key))
            continue
        for card in cards:
            if is_meant(card, ours, stack):
                return connect(spec, url, key, card, stack)
        names = ", ".join(repr(card["id"]) for card in cards) or "nothing"
        told.append(f"{url} serves {names}: {how_to_serve}")
    folder, here = stack[-1], Path.cwd()
    short = folder.relative_to(here) if folder.is_relative_to(here) else folder
    raise EngineError(f"no engine for {short}: " + ". ".join(told))


def is_meant(card: Card, ours: str, stack: Sequence[Path]) -> bool:
    """Whether a server's card names a model: by its folder, or as an engine of ours.

    An adapter's folder names no model: a server may hold it on another base.
    """
    if card["id"] == ours:
        return True
    return len(stack) == 1 and Path(card["id"]).resolve() == stack[0]


def connect(
    spec: EngineSpec,
    url: str,
    key: str | None,
    card: Card,
    stack: Sequence[Path],
    why_gone: Callable[[], str] = lambda: "",
) -> Engine:
    """Return an engine's client, by what it says of a model on its card.

    Raises:
        EngineError: it does not answer when asked for its version.
    """
    ours = card.get("owned_by") == "safegrid"
    if ours:
        version = card["version"]
    else:
        version = send("GET", f"{url}/version", key).body["version"]
        version = vllm_version(version, spec) if spec.kind == "vllm" else version
    # One that does not say what it runs on runs here, if we started it.
    here = visible_gpu() if spec.kind == "vllm" else UNKNOWN
    return Engine(
        url=url,
        key=key,
        model=card["id"],
        max_length=card.get("max_model_len"),
        identity=Identity(spec.kind, version, spec.dtype, weights_hash(stack)),
        ours=ours,
        why_gone=why_gone,
        device=card.get("device") or here,
    )


def served_by(url: str, key: str | None) -> list[Card]:
    """Return what an engine says of each model that it serves.

    Raises:
        EngineError: it does not answer, or does not take the key.
    """
    cards: list[Card] = send("GET", f"{url}/v1/models", key).body.get("data", [])
    return cards


def _refusal(error: EngineError, url: str, key: str | None) -> str:
    """Say why an address gives no list of models, and what to do."""
    if not isinstance(error, KeyRefusedError):
        return f"{error}; start the server, or mend `engine.address`"
    if key is None:
        return f"{url} asks for a key: set {ENGINE_KEY} to the one it was started with"
    return f"{url} does not take the key in {ENGINE_KEY}, but was started with another"
