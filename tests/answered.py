"""Rows of what a model was asked, what it answered, and what a judge says of it."""

import polars as pl

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.records import PROMPT, RESPONSE, VERDICT

SCHEMAS = {"prompts": PROMPT, "responses": RESPONSE, "verdicts": VERDICT}


def prompt(name, text, **more):
    """Return the row of a prompt of one turn."""
    turns = [{"role": "user", "content": text}]
    return {**dict.fromkeys(PROMPT), "prompt_id": name, "prompt": turns, **more}


def comparison(prompt, *answers, **changes):
    """Return a row of PKU-SafeRLHF; of each answer its text and whether it is safe."""
    row = {"prompt": prompt, "better_response_id": 0}
    for number, (text, is_safe) in enumerate(answers):
        row |= {f"response_{number}": text, f"is_response_{number}_safe": is_safe}
    return {**row, "safer_response_id": 0 if answers[0][1] else 1, **changes}


def answer(name, text, sample=0, finish="eos"):
    """Return an answer's row: four tokens were read and three written."""
    return {
        **{"prompt_id": name, "sample": sample, "text": text, "finish": finish},
        **{"n_prompt_tokens": 4, "n_tokens": 3, "decode": "d"},
    }


def verdict(name, sample=0, **more):
    """Return a verdict's row."""
    row = {"prompt_id": name, "sample": sample, "judge": "g", "categories": []}
    return {**dict.fromkeys(VERDICT), **row, **more}


def write(folder, number="", engine=None, **tables):
    """Write rows by the names of SCHEMAS; return their files."""
    files = {}
    facts = manifest("generate", {}, {}, engine=engine)
    for name, rows in tables.items():
        files[name] = folder / f"{name}{number}.parquet"
        frame = pl.DataFrame(rows, schema=SCHEMAS[name])
        write_table(files[name], frame, SCHEMAS[name], facts)
    return files
