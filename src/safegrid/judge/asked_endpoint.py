"""Many questions to one endpoint: each answered from the cache, else asked once.

The cache keeps every request with its answer or with why it has none. So each item has
one of four states: answered, refused (the endpoint will not answer this one), failed
(no answer after all tries), not asked. A run ends well where every item is answered or
refused; else it says how many are in which state, and the next one asks for the
missing alone, and for the refused again.
"""

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.endpoint import EndpointSpec
from safegrid.core.errors import EngineError, JudgeError
from safegrid.core.logs import progress
from safegrid.engine.response_cache import ResponseCache, item_key
from safegrid.judge.endpoint import Endpoint, PassingError, RefusedError, is_completion
from safegrid.models.templates import Message
from safegrid.runtime.devices import UNKNOWN
from safegrid.runtime.usage import Record, Usage

logger = logging.getLogger(__name__)

KIND = "endpoint"
# After so many items without an answer, one after another, the others are not asked.
GIVE_UP = 8
# How a stored try ended; each line of the cache has one of them beside its request.
ANSWER, REFUSED, FAILED = "answer", "refused", "failed"

Body = dict[str, Any]
Tried = dict[str, Any]


class Told(NamedTuple):
    """What an endpoint told about one item.

    Attributes:
        text: of its answer; empty where it wrote none.
        finish: why it stopped, in its own words.
        refused: why it does not answer this item; empty where it does.
    """

    text: str
    finish: str | None
    refused: str = ""


def ask_endpoint(
    judge: str,
    spec: EndpointSpec,
    questions: Sequence[Sequence[Message]],
    cache: Path,
    versions: Mapping[str, int],
    fresh: bool = False,
) -> tuple[list[Told], Record]:
    """Return what an endpoint told, in the order of the questions.

    Args:
        judge: name, for messages.
        spec: the endpoint.
        questions: a conversation an item.
        cache: file of the answers; an answer is kept as it comes.
        versions: numbers of all that makes an answer besides the request.
        fresh: ask everything again.

    Raises:
        JudgeError: wrong settings, or every single request was refused.
        EngineError: an item has no answer; the message counts them by reason.
    """
    bodies = [_body(spec, list(messages)) for messages in questions]
    keys = [item_key(KIND, body) for body in bodies]
    items = dict(zip(keys, bodies, strict=True))
    with ResponseCache(
        cache, {"kind": KIND, "versions": dict(versions)}, fresh
    ) as kept:
        odd = [k for k, body in items.items() if k in kept and not _fits(kept, k, body)]
        if odd:
            kept.leave_out(odd)
        missing = {k: body for k, body in items.items() if ANSWER not in _of(kept, k)}
        if missing:
            _ask(judge, spec, missing, kept, len(items))
        tried = {key: _of(kept, key) for key in items}
        _check(judge, tried, cache)
        record = _record(spec, kept, tried, len(missing))
    return [_told(tried[key]) for key in keys], record


def _body(spec: EndpointSpec, messages: list[Message]) -> Body:
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


def _of(kept: ResponseCache, key: str) -> Tried:
    found: Tried = kept.get(key) or {}
    return found


def _ask(
    judge: str,
    spec: EndpointSpec,
    missing: dict[str, Body],
    kept: ResponseCache,
    total: int,
) -> None:
    """Ask for what is missing; every outcome is kept as it comes.

    Raises:
        JudgeError: no request will be answered; what was under way is kept first.
    """
    begun = time.perf_counter()
    stop = threading.Event()
    failures, wrong = 0, None
    with (
        Endpoint(judge, spec) as endpoint,
        progress(total, "item", "verdicts", done=total - len(missing)) as bar,
    ):
        for key, tried in _outcomes(endpoint, missing, spec.max_concurrency, stop):
            if isinstance(tried, JudgeError):
                wrong = tried
                stop.set()
                continue
            now = time.perf_counter()
            usage = _usage(tried, now - begun)
            begun = now
            kept.put_chunk({key: {"request": missing[key], **tried}}, usage)
            bar.update()
            failures = failures + 1 if FAILED in tried else 0
            if failures == GIVE_UP:
                logger.warning("%d items in a row without an answer; stopped", GIVE_UP)
                stop.set()
    if wrong is not None:
        raise wrong


def _outcomes(
    endpoint: Endpoint,
    items: Mapping[str, Body],
    max_concurrency: int,
    stop: threading.Event,
) -> Iterator[tuple[str, Tried | JudgeError]]:
    """Give each item's outcome as it comes, of at most `max_concurrency` under way.

    Once `stop` is set none begins, and those under way are waited for.
    """
    waiting = iter(items.items())
    under_way: dict[Future[Tried | JudgeError], str] = {}
    with ThreadPoolExecutor(max_concurrency) as pool:
        while True:
            room = 0 if stop.is_set() else max_concurrency - len(under_way)
            for key, body in itertools.islice(waiting, room):
                under_way[pool.submit(_try, endpoint, body)] = key
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield under_way.pop(future), future.result()


def _try(endpoint: Endpoint, body: Body) -> Tried | JudgeError:
    try:
        return {ANSWER: endpoint.ask(body)}
    except RefusedError as error:
        return {REFUSED: str(error)}
    except PassingError as error:
        return {FAILED: str(error)}
    except JudgeError as error:
        return error


def _check(judge: str, tried: Mapping[str, Tried], cache: Path) -> None:
    """Stop where an item has no answer, or none was answered at all."""
    states = Counter(_state(one) for one in tried.values())
    refused = states["refused"]
    unanswered = {
        state: count
        for state, count in sorted(states.items())
        if state not in ("answered", "refused")
    }
    if unanswered:
        why = ", ".join(f"{count} {state}" for state, count in unanswered.items())
        raise EngineError(
            f"judge {judge}: {sum(unanswered.values())} of {len(tried)} items have no"
            f" answer ({why}; answered: {states['answered']}, refused: {refused})."
            f" What was answered is kept in {cache}; run it again, and only what is"
            " missing is asked"
        )
    if refused and refused == len(tried):
        example = next(one[REFUSED] for one in tried.values())
        raise JudgeError(
            f"judge {judge}: the endpoint refused each of {refused} requests, such as"
            f" with {example.partition(':')[0]}; the cache {cache} holds its words"
        )
    if refused:
        logger.warning("%s: %d requests were refused: unscored", judge, refused)


def _state(tried: Tried) -> str:
    if ANSWER in tried:
        return "answered"
    if REFUSED in tried:
        return "refused"
    return f"failed: {tried[FAILED]}" if FAILED in tried else "not asked"


def _told(tried: Tried) -> Told:
    if REFUSED in tried:
        return Told("", None, tried[REFUSED])
    choice = tried[ANSWER]["choices"][0]
    return Told(choice["message"].get("content") or "", choice.get("finish_reason"))


def _usage(tried: Tried, seconds: float) -> Usage:
    """Return what an outcome took: tokens as the endpoint counts them, if it does."""
    told = tried.get(ANSWER, {}).get("usage")
    told = told if isinstance(told, dict) else {}
    return Usage(
        requests=1,
        rows=1,
        tokens_in=_tokens(told.get("prompt_tokens")),
        tokens_out=_tokens(told.get("completion_tokens")),
        seconds=round(seconds, 6),
        measured="client",
        device=UNKNOWN,
    )


def _tokens(count: Any) -> int:
    """Return a count of tokens; what is none is not known, and adds nothing."""
    return count if isinstance(count, int) and count > 0 else 0


def _record(
    spec: EndpointSpec, kept: ResponseCache, tried: Mapping[str, Tried], asked: int
) -> Record:
    """Return who answered, as the endpoint itself calls it, and what it took."""
    models = {str(one[ANSWER].get("model")) for one in tried.values() if ANSWER in one}
    if len(models) > 1:
        logger.warning("several models answered: %s", ", ".join(sorted(models)))
    usage, untimed = kept.usage_of(list(tried))
    identity = {
        "kind": KIND,
        "version": ", ".join(sorted(models)),
        "dtype": UNKNOWN,
        "weights": UNKNOWN,
    }
    known = len(tried) - asked
    return Record(len(tried), known, untimed, identity, spec.model, usage)
