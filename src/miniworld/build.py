"""Build a world: all of its raw files, each folder whole with its manifest."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from miniworld.alert import alert_source
from miniworld.answers import verdict
from miniworld.corpus import corpus_source
from miniworld.instructions import instructions_source, safety_source
from miniworld.judging import judging_source
from miniworld.pku import pku_source
from miniworld.plan import check_apart, make_plan
from miniworld.questions import questions_source
from miniworld.rating import harmfulness_source, reward_source
from miniworld.sets import sets_source
from miniworld.source import Source
from miniworld.tasks import tasks_source
from miniworld.tokenizer import (
    CHAT_TEMPLATE,
    save_tokenizer,
    train_tokenizer,
)
from miniworld.toxicity import toxicity_source
from miniworld.xstest import xstest_source
from safegrid.config.world import World
from safegrid.core.artifacts import MANIFEST, atomic_directory, manifest, write_result

log = logging.getLogger(__name__)

# Benchmarks claim their questions before the corpus does. What came later to the world
# stands last, with dice of its own, so that the files before it stay as they are.
WRITERS = {
    "alert": alert_source,
    "xstest": xstest_source,
    "toxicity": toxicity_source,
    "tasks": tasks_source,
    "pku": pku_source,
    "judging": judging_source,
    "corpus": corpus_source,
    "questions": questions_source,
    "instructions": instructions_source,
    "safety": safety_source,
    "sets": sets_source,
    "reward-rows": reward_source,
    "harmfulness-rows": harmfulness_source,
}
TOKENIZER = "tokenizer"


def build_world(world: World, out: Path) -> None:
    """Write a world's raw files as folders `{world}-{source}` of `out`.

    The same world gives the same bytes.

    Args:
        world: sizes and seed.
        out: folder of raw sources; each of the world's folders is replaced whole.

    Raises:
        DataError: more rows are asked for than the world has requests, or two parts
            of it share one.
    """
    plan = make_plan(world)
    sources = {name: write(plan) for name, write in WRITERS.items()}
    counts = check_apart(_asked(sources.values()))
    for name, source in sources.items():
        _write(world, out / f"{world.name}-{name}", source, counts, sources)
        log.info("%s-%s: %s", world.name, name, source.rows)


def _asked(sources: Iterable[Source]) -> dict[str, set[str]]:
    """Return the requests of each part of the world, of which several files may be."""
    requests: dict[str, set[str]] = {}
    for source in sources:
        for part, texts in source.requests.items():
            requests.setdefault(part, set()).update(texts)
    return requests


def _write(
    world: World,
    folder: Path,
    source: Source,
    requests: dict[str, int],
    sources: dict[str, Source],
) -> None:
    with atomic_directory(folder) as temporary:
        for path, text in source.files.items():
            file = temporary / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
        libraries = []
        if source is sources["corpus"]:
            libraries = ["tokenizers", "transformers"]
            texts = _spoken(source, sources["judging"])
            tokenizer = train_tokenizer(texts, world.vocabulary)
            save_tokenizer(tokenizer, temporary / TOKENIZER, CHAT_TEMPLATE)
        facts = manifest(
            "miniworld",
            {},
            {"world": world.model_dump(exclude_none=True)},
            libraries,
            rows=source.rows,
            requests=requests,
            shared_requests=0,
        )
        write_result(temporary / MANIFEST, facts)


def _spoken(corpus: Source, judging: Source) -> list[str]:
    """Return every turn that a model of the world reads or writes."""
    texts = [
        message["content"]
        for line in corpus.files["documents.jsonl"].splitlines()
        for message in json.loads(line)["messages"]
    ]
    for line in judging.files["guard_train.jsonl"].splitlines():
        row = json.loads(line)
        texts.append(verdict(row["label"], row["category"]))
    return texts
