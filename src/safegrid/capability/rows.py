"""Preprocessing of local rows for lm-evaluation-harness's tasks.

A task of the registry names one of these functions under `rows`.
"""

import nltk
from datasets import Dataset

from safegrid.core.errors import ConfigError

# Instructions of IFEval whose checks cut a text into sentences, by files of nltk.
OF_SENTENCES = {
    "length_constraints:number_sentences",
    "change_case:capital_word_frequency",
}


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
