"""Many questions to one endpoint: each answered from the cache, else asked once.

The cache keeps every request with its answer or with why it has none. A run ends well
where every item is answered or refused (the endpoint will not answer it); else it says
how many are not, and the next one asks for the missing alone, and the refused again.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from safegrid.config.judge import EndpointSpec
from safegrid.core.errors import EngineError, JudgeError
from safegrid.core.logs import progress
from safegrid.engine.response_cache import ResponseCache, item_key
from safegrid.judge.endpoint import (
    ANSWER,
    FAILED,
    REFUSED,
    Body,
    Endpoint,
    Tried,
    is_completion,
)
from safegrid.models.templates import Message
from safegrid.runtime.devices import UNKNOWN
from safegrid.runtime.usage import Record, Usage

logger = logging.getLogger(__name__)

KIND = "endpoint"


def ask_endpoint(
    judge: str,
    spec: EndpointSpec,
    questions: Sequence[Sequence[Message]],
    cache: Path,
    versions: Mapping[str, int],
    fresh: bool = False,
) -> tuple[list[Tried], Record]:
    """Return how questions (conversations) ended, in their order: answered or refused.

    `versions` number all that makes an answer besides the request; answers of others,
    and with `fresh` all, are asked again. Each is kept in `cache` as it comes.

    Raises:
        JudgeError: wrong settings, or every single request was refused.
        EngineError: an item has no answer; the message counts them by reason.
    """
    bodies = [_body(spec, messages) for messages in questions]
    keys = [item_key(KIND, body) for body in bodies]
    items = dict(zip(keys, bodies, strict=True))
    served = {"kind": KIND, "versions": dict(versions)}
    with ResponseCache(cache, served, fresh) as kept:
        odd = [k for k, body in items.items() if k in kept and not _fits(kept, k, body)]
        if odd:
            kept.leave_out(odd)
        missing = {
            k: body for k, body in items.items() if ANSWER not in (kept.get(k) or {})
        }
        if missing:
            _ask(Endpoint(judge, spec), missing, kept, len(items))
        tried: dict[str, Tried] = {key: kept.get(key) or {} for key in items}
        _check(judge, list(tried.values()), cache)
        record = _record(spec, kept, tried, len(missing))
    return [tried[key] for key in keys], record


def _body(spec: EndpointSpec, messages: Sequence[Message]) -> Body:
    """Return a request; it is all that an answer depends on, and its key."""
    return {
        "model": spec.model,
        "messages": [dict(turn) for turn in messages],
        "temperature": 0,
        "seed": spec.seed,
        "max_tokens": spec.max_tokens,
    }


def _fits(kept: ResponseCache, key: str, body: Body) -> bool:
    """Say whether a kept value is an outcome of this very request."""
    found = kept.get(key)
    if not isinstance(found, dict) or found.get("request") != body:
        return False
    if ANSWER in found:
        return is_completion(found[ANSWER])
    return isinstance(found.get(REFUSED, found.get(FAILED)), str)


def _ask(
    endpoint: Endpoint, missing: dict[str, Body], kept: ResponseCache, total: int
) -> None:
    """Ask for what is missing; every outcome is kept as it comes."""
    begun = time.perf_counter()
    with progress(total, "item", "verdicts", done=total - len(missing)) as bar:
        for key, tried in endpoint.outcomes(missing):
            now = time.perf_counter()
            outcome = {"request": missing[key], **tried}
            kept.put_chunk({key: outcome}, _usage(tried, now - begun))
            begun = now
            bar.update()
    if endpoint.wrong is not None:
        raise endpoint.wrong


def _check(judge: str, tried: Sequence[Tried], cache: Path) -> None:
    """Stop where an item has no answer, or none was answered at all."""
    states = Counter(map(_state, tried))
    refused, answered = states.pop(REFUSED, 0), states.pop(ANSWER, 0)
    if states:
        why = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        raise EngineError(
            f"judge {judge}: {states.total()} of {len(tried)} items have no"
            f" answer ({why}; answered: {answered}, refused: {refused})."
            f" What was answered is kept in {cache}; run it again, and only what is"
            " missing is asked"
        )
    if refused and not answered:
        raise JudgeError(
            f"judge {judge}: the endpoint refused each of {refused} requests, such as"
            f" with {tried[0][REFUSED].partition(':')[0]}; the cache {cache} holds its"
            " words"
        )
    if refused:
        logger.warning("%s: %d requests were refused: unscored", judge, refused)


def _state(tried: Tried) -> str:
    if FAILED in tried:
        return f"failed: {tried[FAILED]}"
    return next((name for name in (ANSWER, REFUSED) if name in tried), "not asked")


def _usage(tried: Tried, seconds: float) -> Usage:
    """Return what an outcome took: tokens as the endpoint counts them, if it does."""
    told = tried.get(ANSWER, {}).get("usage")
    counts = [
        told.get(name) if isinstance(told, dict) else 0
        for name in ("prompt_tokens", "completion_tokens")
    ]
    # What is no count is not known, and adds nothing.
    read, written = (n if isinstance(n, int) and n > 0 else 0 for n in counts)
    return Usage(1, 1, read, written, round(seconds, 6), "client", UNKNOWN)


def _record(
    spec: EndpointSpec, kept: ResponseCache, tried: Mapping[str, Tried], asked: int
) -> Record:
    """Return who answered, as the endpoint itself calls it, and what it took."""
    models = {str(one[ANSWER].get("model")) for one in tried.values() if ANSWER in one}
    if len(models) > 1:
        logger.warning("several models answered: %s", ", ".join(sorted(models)))
    usage, untimed = kept.usage_of(list(tried))
    unknown = {"dtype": UNKNOWN, "weights": UNKNOWN}
    identity = {"kind": KIND, "version": ", ".join(sorted(models)), **unknown}
    known = len(tried) - asked
    return Record(len(tried), known, untimed, identity, spec.model, usage)
