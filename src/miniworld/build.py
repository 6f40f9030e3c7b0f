"""Build a world: all of its raw files, each folder whole with its manifest."""

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from miniworld.answers import verdict
from miniworld.benchmarks import (
    alert_source,
    sets_source,
    toxicity_source,
    xstest_source,
)
from miniworld.corpus import corpus_source, instructions_source, safety_source
from miniworld.judging import judging_source, rated_source
from miniworld.models import CHAT_TEMPLATE, TOKENIZER, save_tokenizer, train_tokenizer
from miniworld.pku import pku_source
from miniworld.plan import Files, Plan, make_plan
from miniworld.questions import questions_source, tasks_source
from safegrid.config.world import World
from safegrid.core.artifacts import MANIFEST, atomic_directory, manifest, write_result

log = logging.getLogger(__name__)

# Benchmarks claim their questions before the corpus does. What came later to the world
# stands last, with dice of its own, so that the files before it stay as they are.
WRITERS: dict[str, Callable[[Plan], Files]] = {
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
    "reward-rows": partial(rated_source, "reward"),
    "harmfulness-rows": partial(rated_source, "harmfulness"),
}


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
    counts = {"requests": Counter(plan.owners.values()), "shared_requests": 0}
    for name, files in sources.items():
        with atomic_directory(out / f"{world.name}-{name}") as folder:
            libraries = []
            if name == "corpus":
                libraries = ["tokenizers", "transformers"]
                spoken = _spoken(files, sources["judging"])
                tokenizer = train_tokenizer(spoken, world.vocabulary)
                save_tokenizer(tokenizer, folder / TOKENIZER, CHAT_TEMPLATE)
            # A set of instructions is one document.
            rows = {
                path: len(rows["instructions"] if isinstance(rows, dict) else rows)
                for path, rows in files.items()
                if not path.endswith(".yaml")
            }
            write_files(folder, files, world, libraries, rows=rows, **counts)
        log.info("%s-%s: %s", world.name, name, rows)


def write_files(
    folder: Path,
    files: Files,
    world: World,
    libraries: Sequence[str] = (),
    **facts: Any,
) -> None:
    """Write a source's files and, last, the manifest with these facts."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        text = _text(path, content)
        (folder / path).write_text(text, encoding="utf-8", newline="")
    params = {"world": world.model_dump(exclude_none=True)}
    said = manifest("miniworld", {}, params, libraries, **facts)
    write_result(folder / MANIFEST, said)


def _text(path: str, content: Any) -> str:
    """Return the text of a file, as its name ends and as upstream writes it."""
    kind = Path(path).suffix
    if kind == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) for row in content)
        return "".join(f"{line}\n" for line in lines)
    if kind == ".json":
        return json.dumps(content, ensure_ascii=False, indent=4) + "\n"
    if kind == ".yaml":
        return yaml.safe_dump(content, sort_keys=False)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(content[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    return stream.getvalue()


def _spoken(corpus: Files, judging: Files) -> Iterable[str]:
    """Give every turn that a model of the world reads or writes."""
    for row in corpus["documents.jsonl"]:
        yield from (message["content"] for message in row["messages"])
    for row in judging["guard_train.jsonl"]:
        yield verdict(row["label"], row["category"])
