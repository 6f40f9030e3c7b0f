"""Tasks that lm-evaluation-harness ships, over rows of our own.

A task file is written that includes the shipped one, so that prompt, filters and
metrics are upstream's to the letter, and names other rows, and one of the functions
below where those are to be changed first.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval.tasks
import nltk
import yaml
from datasets import Dataset

from safegrid.core.errors import ConfigError

SHIPPED = Path(lm_eval.tasks.__file__).parent
LOADERS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
"""What `datasets` calls its reader of a file, by the file's ending."""
# Instructions of IFEval whose checks cut a text into sentences, by files of nltk.
OF_SENTENCES = {
    "length_constraints:number_sentences",
    "change_case:capital_word_frequency",
}


def located(
    blocks: Mapping[str, dict[str, Any]], files: Sequence[Path]
) -> dict[str, dict[str, Any]]:
    """Return blocks with the paths at which a job finds their files.

    A block, which is a param, names a file as the workflow does; where results lie in a
    bucket, the job reads a copy of it below another folder.

    Raises:
        ConfigError: a named file is not among those of the job.
    """

    def found(named: str) -> str:
        parts = Path(named).parts
        for file in files:
            if file.parts[-len(parts) :] == parts:
                return str(file)
        raise ConfigError(
            f"{named} is not among the task files of this job"
            f" ({', '.join(map(str, files)) or 'none'})"
        )

    return {
        name: block
        | {"files": {split: found(p) for split, p in block["files"].items()}}
        for name, block in blocks.items()
    }


def write_tasks(blocks: Mapping[str, dict[str, Any]], folder: Path) -> list[Path]:
    """Write a task file for each block; return their paths.

    Raises:
        ConfigError: the harness ships no such task, or nothing reads its rows.
    """
    paths = []
    for name, block in blocks.items():
        shipped = SHIPPED / block["like"]
        if not shipped.is_file():
            raise ConfigError(
                f"task {name!r}: lm-evaluation-harness ships no {block['like']!r};"
                f" name a YAML inside {SHIPPED}"
            )
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(_yaml(name, block, shipped), encoding="utf-8")
    return paths


def _yaml(name: str, block: dict[str, Any], shipped: Path) -> str:
    # `datasets` takes a path for a pattern.
    files = {
        split: glob.escape(str(Path(path).resolve()))
        for split, path in block["files"].items()
    }
    field = {} if block["field"] is None else {"field": block["field"]}
    task = {
        "include": str(shipped),
        "task": name,
        # Names of shipped tags and groups would stand for all of their tasks.
        "tag": [],
        "dataset_path": _loader(name, block["files"].values()),
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files} | field,
        **block["settings"],
    }
    text = yaml.safe_dump(task, sort_keys=False)
    if block["rows"] is not None:
        text += f"process_docs: !function {__name__}.{block['rows']}\n"
    return text


def _loader(name: str, paths: Iterable[str]) -> str:
    endings = {Path(path).suffix for path in paths}
    loaders = {LOADERS.get(ending) for ending in endings}
    if len(loaders) != 1 or None in loaders:
        raise ConfigError(
            f"task {name!r}: its files end in {', '.join(sorted(endings))}; expected"
            f" files of one kind, among {', '.join(LOADERS)}"
        )
    return str(loaders.pop())


def musr_questions(stories: Dataset) -> Dataset:
    """Turn MuSR's stories, each with questions, into the hub's rows: one a question."""
    rows = [
        {
            "narrative": story["context"],
            "question": question["question"],
            # The hub's release holds the list as text, and so the harness reads it.
            "choices": str(question["choices"]),
            "answer_index": question["answer"],
            "answer_choice": question["choices"][question["answer"]],
        }
        for story in stories
        for question in story["questions"]
    ]
    return Dataset.from_list(rows)


def without_sentences(rows: Dataset) -> Dataset:
    """Leave out the rows of IFEval whose checks need nltk's sentence splitter."""
    return rows.filter(lambda row: not OF_SENTENCES & set(row["instruction_id_list"]))


def with_sentences(rows: Dataset) -> Dataset:
    """Keep all rows of IFEval, if nltk's sentence splitter is there.

    Raises:
        ConfigError: it is not; the harness would stop after all answers were given.
    """
    try:
        nltk.data.find("tokenizers/punkt_tab")
    except LookupError as error:
        raise ConfigError(
            "IFEval counts sentences with nltk's `punkt_tab`, which is not on this"
            " machine: run `python -m nltk.downloader punkt_tab` where there is a"
            " network, or take the task that leaves those rows out"
        ) from error
    return rows
