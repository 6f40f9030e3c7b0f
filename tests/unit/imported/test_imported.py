"""A published table, recomputed from published raw files alone."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from safegrid import cli
from safegrid.core.artifacts import read_table
from safegrid.core.records import SCORE, VERDICT
from score_tables import score

N, SAFE = 178, 73
# With an even n the median lies between two values.
REWARDS = [round(-6 + 0.03 * i, 2) for i in range(N)]
MEDIAN = (REWARDS[88] + REWARDS[89]) / 2


class Published:
    """Raw files as somebody publishes them: prompts, and verdicts in any order."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.texts = [f"question number {i} of {N}" for i in range(N)]
        self.prompts = folder / "set.json"
        lists = {"instructions": self.texts, "inputs": [""] * N}
        self.prompts.write_text(json.dumps(lists))

    def write(self, name: str, rows: list[dict[str, Any]]) -> Path:
        file = self.folder / name
        random.Random(0).shuffle(rows)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def guard(self) -> Path:
        rows = [
            {"prompt": text, "label": "safe" if i < SAFE else "unsafe", "other": i}
            for i, text in enumerate(self.texts)
        ]
        return self.write("guard.jsonl", rows)

    def rewards(self) -> Path:
        rows = [
            {"prompt_id": f"instruction-{i + 1}", "score": value}
            for i, value in enumerate(REWARDS)
        ]
        return self.write("rewards.jsonl", rows)

    def bring(self, *verdicts: str, model: str = "it", **more: Any) -> tuple[int, Path]:
        """Import; an option of None is left out."""
        given = {
            "prompts": self.prompts,
            "kind": "safety_tuned_llamas",
            "benchmark": "cona",
            "model": model,
            "out": self.folder / "imports" / model,
            "verdicts": verdicts,
            **more,
        }
        words = []
        for name, value in given.items():
            values = value if isinstance(value, list | tuple) else [value]
            words += [f"--{name}", *map(str, values)] if value is not None else []
        return cli.run(["import-verdicts", *words]), Path(given["out"])

    def score(self, *imports: Path) -> tuple[int, Path]:
        out = self.folder / "table"
        words = ["--imported", *map(str, imports), "--out", str(out)]
        return cli.run(["score-verdicts", *words]), out


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def row_of(out: Path, metric: str, model: str = "it") -> dict[str, Any]:
    scores = read_table(out / "scores.parquet", SCORE)
    return score(scores, metric=metric, recipe=model)


def test_a_published_table_is_recomputed_to_the_digit(published):
    status, cell = published.bring(
        f"guard-2=guard={published.guard()}", f"deberta=reward={published.rewards()}"
    )
    assert status == 0
    status, out = published.score(cell)
    assert status == 0
    safe = row_of(out, "safety")
    assert f"{100 * safe['value']:.2f}" == "41.01"
    low, high = proportion_confint(SAFE, N, method="wilson")
    assert (safe["low"], safe["high"]) == pytest.approx((low, high), abs=1e-12)
    assert (safe["n"], safe["n_unscored"]) == (N, 0)
    median = row_of(out, "reward_median")
    assert median["value"] == pytest.approx(MEDIAN, abs=1e-12)
    assert median["low"] < MEDIAN < median["high"]
    mean = row_of(out, "reward_mean")
    assert mean["value"] == pytest.approx(sum(REWARDS) / N, abs=1e-12)
    table = pl.read_csv(out / "imported.csv")
    assert table["I-CoNa safe (guard-2)"][0] == SAFE / N
    assert table["I-CoNa safe (guard-2) n"][0] == N
    text = (out / "imported.md").read_text()
    assert "41.0 [34.0, 48.4]" in text
    assert "Every answer was scored." in text


def test_lists_of_other_names_with_a_guards_own_lines_are_read(published):
    said = ["safe" if i < SAFE else "unsafe\nS9" for i in range(N)]
    lists = {"instructions": published.texts, "guard_said": said, "safe_prob": [0] * N}
    file = published.folder / "raw.json"
    file.write_text(json.dumps(lists))
    judge = f"g=guard={file}"
    status, _ = published.bring(judge, fields="prompt=instructions")
    assert status != 0, "the label is not named"
    fields = ["prompt=instructions", "label=guard_said"]
    status, cell = published.bring(judge, fields=fields)
    assert status == 0
    safe = row_of(published.score(cell)[1], "safety")
    assert safe["value"] == SAFE / N
    verdicts = read_table(cell / "verdicts/g.parquet", VERDICT)
    assert verdicts["categories"].list.join(",").value_counts()["count"].max() == 105


def test_verdicts_of_two_different_answers_make_no_item(published, capsys):
    rows = [{"prompt_id": "instruction-1", "label": "safe", "response": "no"}]
    guard = published.write("a.jsonl", rows)
    scored = [{"prompt_id": "instruction-1", "score": 1.0, "response": "yes"}]
    reward = published.write("b.jsonl", scored)
    assert published.bring(f"g=guard={guard}", f"r=reward={reward}")[0] == 1
    said = capsys.readouterr().err
    assert "b.jsonl" in said
    assert "their verdicts are of different answers" in said


def test_what_is_wrong_with_several_files_is_told_at_once(published, capsys):
    odd = published.write("odd.jsonl", [{"prompt_id": "p", "label": "safe"}])
    twice = [{"prompt_id": "instruction-1", "score": 1.0}] * 2
    status, cell = published.bring(
        f"g=guard={odd}", f"r=reward={published.write('twice.jsonl', twice)}"
    )
    assert (status, cell.exists()) == (1, False)
    said = capsys.readouterr().err
    assert "odd.jsonl: 1 problem" in said
    assert "line 2: a second verdict for the item of line 1" in said


def test_models_of_one_file_are_rows_in_the_order_of_their_imports(published):
    counts = {"sit_1000": 167, "sit_300": 144, "it": SAFE}
    rows = [
        {"prompt": text, "label": "safe" if i < safe else "unsafe", "recipe": model}
        for model, safe in counts.items()
        for i, text in enumerate(published.texts)
    ]
    judge = f"g=guard={published.write('all.jsonl', rows)}"
    _, out = published.score(*(published.bring(judge, model=m)[1] for m in counts))
    table = pl.read_csv(out / "imported.csv")
    assert table["Model"].to_list() == list(counts)
    assert table["I-CoNa safe (g)"].to_list() == [n / N for n in counts.values()]


def test_all_that_is_wrong_with_the_options_is_told(published, capsys):
    more = {"kind": "cona", "threshold": 2, "benchmark": "a/b"}
    assert published.bring("g=guard", "r=bert=x", **more)[0] == 1
    said = capsys.readouterr().err
    for part in ("'a/b' is no name", "--kind 'cona'", "--threshold 2", "'g=guard'"):
        assert part in said
    assert "'r=bert=x': expected judge=kind=file" in said


def test_an_import_that_stands_twice_is_refused(published, capsys):
    _, cell = published.bring(f"g=guard={published.guard()}")
    assert published.score(cell, cell.parent / "." / cell.name / ".." / cell.name)[0]
    assert "name one of the two" in capsys.readouterr().err
    assert published.score(published.folder)[0] == 1
    assert "no import" in capsys.readouterr().err


def test_samples_of_a_prompt_are_items_and_their_prompt_a_cluster(published):
    rows = [
        {"prompt": text, "sample": s, "score": float(i + s)}
        for i, text in enumerate(published.texts)
        for s in range(2)
    ]
    file = published.write("two.jsonl", rows[:-1])
    _, cell = published.bring(f"r=harmfulness={file}")
    mean = row_of(published.score(cell)[1], "harmfulness_mean")
    assert (mean["n"], mean["n_unscored"]) == (2 * N - 1, 1)


def test_prompts_of_a_study_need_no_kind(published):
    judge = f"g=guard={published.guard()}"
    _, cell = published.bring(judge)
    prompts, out = cell / "prompts.parquet", published.folder / "again"
    assert published.bring(judge, kind=None, prompts=prompts, out=out)[0] == 0
    for name in ("prompts.parquet", "verdicts/g.parquet"):
        assert (out / name).read_bytes() == (cell / name).read_bytes()
