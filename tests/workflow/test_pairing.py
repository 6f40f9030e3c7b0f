"""In a finished study rows change places, and every score stays what it was."""

import polars as pl
import pytest

from safegrid.core.artifacts import read_manifest, write_table
from safegrid.study.grid import Cell

pytestmark = pytest.mark.timeout(4 * 3600)

MOVED = ("prompts", "responses", "verdicts")
RULES = ("score", "score_global")


def test_scores_of_a_study_do_not_depend_on_the_order_of_rows(finished, tmp_path):
    tree = finished.copy(tmp_path / "repository")
    results = tree.folder / "results/tiny"
    for path in sorted(
        f for name in MOVED for f in results.glob(f"{name}/**/*.parquet")
    ):
        rows, facts = pl.read_parquet(path), read_manifest(path)
        moved = rows.sample(fraction=1, shuffle=True, seed=7)
        assert not moved.equals(rows)
        write_table(path, moved, dict(rows.schema), facts)
    model = tree.study.trained[0]
    files = [f"results/tiny/scores/{model.path}/global.parquet"]
    files += [tree.study.files(Cell(model, name))[-1] for name in tree.study.prompted]
    before = {file: pl.read_parquet(tree.folder / file) for file in files}
    for file in files:
        (tree.folder / file).unlink()
    command = ["snakemake", "--config", "study=tiny", "--cores", "2"]
    only = ["--allowed-rules", *RULES, "--", *files]
    tree.call(*command, *only)
    for file, rows in before.items():
        assert pl.read_parquet(tree.folder / file).equals(rows, null_equal=True), file
