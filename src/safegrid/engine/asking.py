"""A cell's questions to one model: answered from its cache, else by its engine.

An engine is leased only where an answer is missing, so a repeated cell starts none.
A cell never mixes the answers of two engines: what another engine or version answered
(the cache remembers who) is asked again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safegrid.config import Decode, EngineSpec
from safegrid.engine.client import Completion, Engine, Values
from safegrid.engine.identity import Identity, served_name
from safegrid.engine.lease import lease
from safegrid.engine.response_cache import ResponseCache, answer_missing, item_key
from safegrid.models.checkpoints import Head
from safegrid.runtime.usage import Record, Usage

logger = logging.getLogger(__name__)

Ids = Sequence[int]
Result = TypeVar("Result")
Ask = Callable[[Engine, Any], Sequence[Any]]
IDENTITY = "identity"
UNITS = {"classify": "verdicts", "logits": "scores", "embed": "vectors"}


class MissingError(Exception):
    """The cache lacks an answer and there is no engine to ask."""


class Asker:
    """Asks in chunks; the same question twice is asked once.

    Every method gives one answer a row, in the order of the rows. For the meaning of
    answers, and of those to rows that are too long, see `client.Engine`.
    """

    def __init__(self, cache: ResponseCache, chunk: int, engine: Engine | None) -> None:
        self._cache = cache
        self._chunk = chunk
        self._engine = engine
        self._keys: dict[str, None] = {}
        self._new = 0

    def record(self, identity: Identity, model: Path) -> Record:
        """Return what all that was asked so far took, whenever that was."""
        usage, untimed = self._cache.usage_of(self._keys)
        known, who = len(self._keys), identity._asdict()
        return Record(known, known - self._new, untimed, who, str(model), usage)

    def complete(
        self, ids: Sequence[Ids], decode: Decode, seeds: Sequence[int]
    ) -> list[Completion]:
        """Ask for one answer to each prompt, drawn from its own seed."""
        settings = decode.model_dump(exclude={"samples"})
        pairs = list(zip(ids, seeds, strict=True))

        def ask(engine: Engine, part: Sequence[tuple[Ids, int]]) -> Sequence[Any]:
            prompts, own = zip(*part, strict=True)
            return engine.complete(prompts, decode, own)

        keys = [item_key("complete", settings, list(p), s) for p, s in pairs]
        found = self._answers(keys, pairs, ask, "answers", _is_completion)
        return [Completion(*value) for value in found]

    def label_logprobs(
        self, ids: Sequence[Ids], labels: Sequence[Ids]
    ) -> list[list[float]]:
        """Return log P(label | prompt) in nats, a row a prompt, a column a label."""
        words = [list(label) for label in labels]
        keys = [item_key("labels", words, list(row)) for row in ids]
        return self._answers(
            keys,
            ids,
            lambda engine, part: engine.label_logprobs(part, labels),
            "verdicts",
            lambda answer: _are_numbers(answer) and len(answer) == len(labels),
        )

    def sequence_logprobs(
        self, ids: Sequence[Ids], n_context: Sequence[int]
    ) -> list[list[float]]:
        """Return the log-probabilities of the tokens after each context, in nats."""
        pairs = list(zip(ids, n_context, strict=True))
        return self._answers(
            [item_key("tail", list(row), n) for row, n in pairs],
            pairs,
            lambda engine, part: engine.sequence_logprobs(*zip(*part, strict=True)),
            "likelihoods",
            _are_numbers,
        )

    def values(self, name: Values, ids: Sequence[Ids]) -> list[list[float]]:
        """Ask for a classifier's or encoder's values of whole rows."""
        keys = [item_key(name, list(row)) for row in ids]
        return self._answers(
            keys, ids, lambda e, p: e.values(name, p), UNITS[name], _are_numbers
        )

    def _answers(
        self,
        keys: Sequence[str],
        questions: Sequence[Any],
        ask: Ask,
        unit: str,
        fits: Callable[[Any], bool],
    ) -> list[Any]:
        # Chunks of like lengths are padded least.
        order = sorted(range(len(keys)), key=lambda i: (_length(questions[i]), i))
        items = {keys[i]: questions[i] for i in order}

        def of_engine(part: list[Any]) -> Sequence[Any]:
            if self._engine is None:
                raise MissingError
            self._new += len(part)
            return ask(self._engine, part)

        def usage() -> Usage | None:
            return None if self._engine is None else self._engine.usage.take()

        found = answer_missing(
            self._cache, items, of_engine, self._chunk, unit, usage, fits
        )
        self._keys.update(dict.fromkeys(items))
        return [found[key] for key in keys]


def ask_model(
    spec: EngineSpec,
    stack: Sequence[Path],
    head: Head,
    cache: Path,
    versions: Mapping[str, int],
    work: Callable[[Asker], Result],
    fresh: bool = False,
    search: Path | None = None,
) -> tuple[Result, Record]:
    """Do a cell's work on the answers of one model, and say who answered in what time.

    Args:
        spec: which engine answers what is missing.
        stack: folders of the model.
        head: what the model is.
        cache: the cell's file of answers.
        versions: of all that makes an answer besides the engine: the stage (what
            clients do with an answer before it is kept), and what the user numbers
            himself. Answers of other versions are asked again.
        work: asks and makes something of the answers. It is called again from its
            start where the cache turns out to lack one, so it must only compute.
        fresh: ask everything again.
        search: folder of the code that searches in beams, if it is to.
    """
    name = served_name(spec, stack, head, search)
    served = {"served": name, "versions": dict(versions)}
    with ResponseCache(cache, served, fresh) as index:
        identity = _identity(index.get(IDENTITY))
    if identity is not None:
        try:
            with ResponseCache(cache, served | identity._asdict()) as answers:
                asker = Asker(answers, spec.batch_size, None)
                result = work(asker)
                record = asker.record(identity, stack[0])
            logger.info("all responses found in the cache %s", cache)
            return result, record
        except MissingError:
            logger.info("%s lacks answers; its engine is asked", cache)
    with lease(spec, stack, head, search) as engine:
        with ResponseCache(cache, served) as index:
            if index.get(IDENTITY) != list(engine.identity):
                index.put_chunk({IDENTITY: list(engine.identity)})
        with ResponseCache(cache, served | engine.identity._asdict(), fresh) as answers:
            asker = Asker(answers, spec.batch_size, engine)
            return work(asker), asker.record(engine.identity, stack[0])


def _identity(kept: Any) -> Identity | None:
    """Return who answered; None where a cache does not say it."""
    said = isinstance(kept, list) and len(kept) == len(Identity._fields)
    return Identity(*kept) if said and _only(str, kept) else None


def _is_completion(answer: Any) -> bool:
    if not isinstance(answer, list) or len(answer) != len(Completion._fields):
        return False
    ids, finish, n_tokens, text = answer
    numbers = isinstance(ids, list) and _only(int, [*ids, n_tokens])
    return numbers and _only(str, [finish, text])


def _are_numbers(answer: Any) -> bool:
    return isinstance(answer, list) and set(map(type, answer)) <= {int, float}


def _only(kind: type, values: Sequence[Any]) -> bool:
    return set(map(type, values)) <= {kind}


def _length(question: Any) -> int:
    """Return a question's tokens; some carry a number beside their ids."""
    return len(question[0]) if isinstance(question, tuple) else len(question)
