"""Overlap of benchmark prompts with the training pairs of a model.

Takes prepared datasets and the prompts of one benchmark; gives a JSON report that
names, for each dataset, the prompts that equal a training prompt, that contain one or
stand in one, or that share a run of eight words with one. Texts are compared by
normalised words; responses are not compared.
"""

from pathlib import Path
from typing import Any

from safegrid.core.artifacts import manifest, read_stream, read_table, write_result
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.data.words import Containment, Words, ngrams, words

NGRAM = 8


def report_overlap(
    datasets: list[Path], pools: list[Path], prompts: Path, out: Path
) -> None:
    """Write the overlap of every dataset with a benchmark.

    Args:
        datasets: tables of type PREFERENCE; a report names them by file name.
        pools: tables of type PROMPT: what models were asked so that datasets could be
            made of their answers; named likewise.
        prompts: a table of type PROMPT, named likewise.
        out: JSON with `pairs`, one entry for each dataset: `exact`, `contained` and
            `ngram` each with `n` and `prompt_ids`, and `n_without_ngram`, the prompts
            too short to hold eight words; and with `contaminated`, the ids of the
            prompts that equal a training prompt or share eight words with one.
    """
    trained = {
        path.stem: set(map(words, read_table(path, PREFERENCE)["prompt"]))
        for path in datasets
    }
    for pool in pools:
        # A request can be asked several times, and a pool can be long.
        texts = {_request(row["prompt"]) for row in read_stream(pool, PROMPT)}
        trained[pool.stem] = set(map(words, texts))
    rows = read_table(prompts, PROMPT).select("prompt_id", "prompt").iter_rows()
    asked = {name: words(_request(prompt)) for name, prompt in rows}
    pairs = [
        {"dataset": dataset, "benchmark": prompts.stem, **overlap(seen, asked)}
        for dataset, seen in trained.items()
    ]
    shared = {
        name
        for pair in pairs
        for kind in ("exact", "ngram")
        for name in pair[kind]["prompt_ids"]
    }
    inputs: dict[str, Path | list[Path]] = {"datasets": datasets, "prompts": prompts}
    inputs |= {"pools": pools} if pools else {}
    facts = manifest("overlap", inputs, {"ngram": NGRAM})
    contaminated = [name for name in asked if name in shared]
    write_result(out, {"manifest": facts, "pairs": pairs, "contaminated": contaminated})


def overlap(seen: set[Words], asked: dict[str, Words]) -> dict[str, Any]:
    """Compare a dataset's distinct prompts with a benchmark's, by prompt id."""
    ordered = sorted(seen)
    training = Containment(dict(enumerate(ordered)))
    benchmark = Containment(asked)
    within = {name for text in ordered for name in benchmark.inside(text)}
    runs = {run for text in ordered for run in ngrams(text, NGRAM)}
    shared: dict[str, list[str]] = {"exact": [], "contained": [], "ngram": []}
    for name, text in asked.items():
        if text in seen:
            shared["exact"].append(name)
        if name in within or any(True for _ in training.inside(text)):
            shared["contained"].append(name)
        if any(run in runs for run in ngrams(text, NGRAM)):
            shared["ngram"].append(name)
    return {
        "n_training_prompts": len(seen),
        "n_prompts": len(asked),
        "n_without_ngram": sum(len(text) < NGRAM for text in asked.values()),
        **{kind: {"n": len(ids), "prompt_ids": ids} for kind, ids in shared.items()},
    }


def _request(prompt: list[dict[str, str]]) -> str:
    said = (message["content"] for message in prompt if message["role"] == "user")
    return "\n".join(said)
