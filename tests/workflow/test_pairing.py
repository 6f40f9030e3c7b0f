"""In a finished study rows change places, and every score stays what it was."""

import polars as pl

from safegrid.core.artifacts import read_manifest, write_table
from safegrid.study import cells
from safegrid.study.grid import Cell

MOVED = ("prompts", "responses", "verdicts")
RULES = ("score", "score_global")


def test_scores_of_a_study_do_not_depend_on_the_order_of_rows(copy):
    results = copy.folder / "results/tiny"
    for path in sorted(
        f for name in MOVED for f in results.glob(f"{name}/**/*.parquet")
    ):
        rows, facts = pl.read_parquet(path), read_manifest(path)
        moved = rows.sample(fraction=1, shuffle=True, seed=7)
        assert not moved.equals(rows)
        write_table(path, moved, dict(rows.schema), facts)
    model = copy.study.trained[0]
    files = [f"results/tiny/scores/{model.path}/global.parquet"]
    files += [
        cells.files(copy.study, Cell(model, name))[-1] for name in copy.study.prompted
    ]
    before = {file: pl.read_parquet(copy.folder / file) for file in files}
    for file in files:
        (copy.folder / file).unlink()
    copy.call("snakemake", "--allowed-rules", *RULES, *copy.snakemake(*files)[1:])
    for file, rows in before.items():
        assert pl.read_parquet(copy.folder / file).equals(rows, null_equal=True), file
