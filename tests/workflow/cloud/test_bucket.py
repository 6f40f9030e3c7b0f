"""A study whose data and results lie in a bucket, called from an empty folder."""

import json
import re

from safegrid.study.gathered import all_scores

# Of a training that did run twice, seconds and commit differ; pages of notebooks hold
# paths, the report its own date, and the tables of costs what jobs took.
DIFFERENT = (
    ".html",
    ".ipynb",
    "seed0/manifest.json",
    "cost.csv",
    "cost.md",
    "cost.tex",
)
CELL_MANIFESTS = "results/tiny/cell_manifests/"
# What the bucket holds at first: all that is made before a model or for another one.
KEPT = re.compile(
    r"results/(raw|bases|judges|tiny/(calibrated|datasets|pairs|reference|prompts|overlap|ids))/"
    r"|results/tiny/(?!cache|cell_manifests).*/(none|nca)/"
)


def test_a_whole_study_in_a_bucket_gives_the_bytes_of_a_local_one(
    fresh, finished, bucket, cloud_packages, tmp_path
):
    fresh.environment |= bucket.environment
    fresh.environment["PYTHONPATH"] = str(cloud_packages)
    # With the marks of folders, which the run's own would have set.
    files = (str(p.relative_to(finished.folder)) for p in finished.files("results"))
    bucket.add(finished.folder, filter(KEPT.match, files))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    snakefile = str(fresh.folder / "Snakefile")
    command = ["snakemake", "--snakefile", snakefile, *bucket.options]
    command += ["--config", "study=tiny"]
    said = fresh.call(*command, cwd=elsewhere)
    assert "what its rows took" not in said
    assert "rule train:" in said
    assert "rule build_world:" not in said

    made = {p for p in finished.made() if not p.startswith("results/tiny/cache/")}
    results = {path for path in bucket.paths() if path.startswith("results/")}
    results = {path for path in results if not path.endswith("/.snakemake_timestamp")}
    assert results == made
    assert "results/tiny/scores.parquet" in results
    for path in sorted(results):
        if path.startswith(CELL_MANIFESTS):
            assert listed(bucket.read(path)) == listed(finished.read(path)), path
        elif not path.endswith(DIFFERENT):
            assert bucket.read(path) == finished.read(path), path
    # What is asked and trained meanwhile stays here, as scratch; the results do not.
    assert not [p for p in elsewhere.glob("results/*/*") if p.name != "cache"]
    assert fresh.made() == []

    again = fresh.call(*command, cwd=elsewhere)
    assert "Nothing to be done" in again
    refused = fresh.run(*command, "--", "report_partial", cwd=elsewhere)
    assert refused.returncode != 0
    assert "copy its results/ here" in refused.stdout

    bucket.bring_down(fresh.folder)
    fresh.environment["PYTHONPATH"] = str(fresh.folder / "src")
    said = fresh.call(*fresh.safegrid("status", "--study", "tiny"))
    assert f"study tiny: {len(all_scores(fresh.study))} done\n" in said


def listed(manifest):
    """What a cell manifest lists, without what its files took."""
    files = json.loads(manifest)["files"]
    return {name: entry | {"speed": None} for name, entry in files.items()}
