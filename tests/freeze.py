"""Hashes of what studies made, to see that a change of the code changes no result.

    python tests/freeze.py write FILE STUDY...    after a run of each study
    python tests/freeze.py compare FILE           after the same runs with other code

Scores, tables, prepared data, responses and verdicts of one machine; another machine
may differ in the last digits of its floating-point numbers. Of a parquet file the rows
are told beside the bytes: a manifest changes with the names of keys, rows do not.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import polars as pl

from safegrid.core.files import read_object, sha256_file, write_json

RESULTS = Path("results")
FROZEN = (
    "scores.parquet",
    "tables/*.csv",
    "datasets/**/*.parquet",
    "prompts/**/*.parquet",
    "pairs/**/*.parquet",
    "responses/**/*.parquet",
    "verdicts/**/*.parquet",
)


def rows_of(path):
    """Return a hash of a table's rows, or of a whole file that is none."""
    if path.suffix != ".parquet":
        return sha256_file(path)
    text = pl.read_parquet(path).write_ndjson()
    return hashlib.sha256(text.encode()).hexdigest()


def hashes(study):
    """Return bytes' and rows' hashes of a study's frozen files, by path in results/."""
    folder = RESULTS / study
    files = sorted(path for glob in FROZEN for path in folder.glob(glob))
    if not files:
        sys.exit(f"{folder}: nothing to freeze; run the study first")
    return {
        str(path.relative_to(RESULTS)): [sha256_file(path), rows_of(path)]
        for path in files
    }


def compare(file):
    """Print files whose rows differ, are gone or new; end with 1 if there are any."""
    differing = []
    for study, before in read_object(file).items():
        now = hashes(study)
        names = sorted({*before, *now})
        none = [None, None]
        pairs = {name: (before.get(name, none), now.get(name, none)) for name in names}
        other = [name for name, (old, new) in pairs.items() if old != new]
        changed = [name for name, (old, new) in pairs.items() if old[1] != new[1]]
        print(
            f"{study}: of {len(names)} files the bytes of {len(other)} differ, the rows"
            f" of {len(changed)}"
        )
        differing += changed
    print("\n".join(differing))
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["write", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("studies", nargs="*")
    given = parser.parse_args()
    if given.do == "write":
        write_json(given.file, {study: hashes(study) for study in given.studies})
    else:
        compare(given.file)
