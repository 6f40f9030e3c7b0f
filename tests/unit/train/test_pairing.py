"""What belongs together is found by id: rows of any file in any order, same results."""

import hashlib
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config import Decode, EngineSpec, JudgeSpec
from safegrid.config.generated import BestOfKSpec
from safegrid.config.training import Recipe
from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    read_result,
    read_table,
    sha256_file,
    write_result,
    write_table,
)
from safegrid.core.errors import TrainingError
from safegrid.core.records import (
    IDS,
    KTO_REFERENCE,
    PAIRS,
    PREFERENCE,
    PROMPT,
    REFERENCE,
    RESPONSE,
    SCORE,
    VERDICT,
    Schema,
)
from safegrid.data.overlap import report_overlap
from safegrid.engine.client import Completion
from safegrid.generate.render import render_prompts
from safegrid.generate.run import generate
from safegrid.judge.run import judge
from safegrid.score.cell import score_cell, score_global
from safegrid.synthesize.model_answers import best_of_k
from safegrid.train.rows import (
    join_kto_reference,
    join_reference,
    kto_params,
    select_pairs,
    unpair,
)
from safegrid.train.tokenize import tokenize_pairs

PROMPTS, SAMPLES = 24, 3
CELL = {"study": "s", "base": "b", "seed": 0}
GUARD = JudgeSpec(name="guard", kind="guard")
PEOPLE = JudgeSpec(name="people", kind="reward", method="file")
KINDS = {"guard": "guard", "people": "reward"}

Move = Callable[[Path, Schema], None]


def shuffle(path: Path, schema: Schema) -> None:
    """Put the rows of a table into another order; its manifest stays."""
    frame, facts = read_table(path, schema), read_manifest(path)
    moved = frame.sample(fraction=1, shuffle=True, seed=len(path.name))
    assert not moved.equals(frame), "the order must be another one"
    write_table(path, moved, schema, facts)


def leave(path: Path, schema: Schema) -> None:
    """Leave the rows of a table as they are."""


def number_of(*parts: object) -> int:
    """Return a number that depends on all of a question."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4])


@pytest.fixture(autouse=True)
def _answers(fake_engine: Any) -> None:
    def answer(ids: list[int], seed: int) -> Completion:
        number = number_of(list(ids), seed) % 1000
        return Completion([number], "eos", number % 9 + 1, f"answer {number}")

    def labels(ids: list[int], words: list[list[int]]) -> list[float]:
        safe = 0.05 + 0.9 * (number_of(list(ids)) % 1000) / 1000
        return [math.log(safe), math.log(1 - safe)]

    fake_engine.answer, fake_engine.labels = answer, labels


class Grid:
    """Two cells of a benchmark, made stage by stage; each file is moved when made."""

    def __init__(self, folder: Path, base: Path, guard: Path, move: Move) -> None:
        self.folder, self.base, self.guard, self.move = folder, base, guard, move
        folder.mkdir()
        self.prompts = folder / "prompts.parquet"
        rows = [
            {
                **dict.fromkeys(PROMPT),
                "prompt_id": f"p{n}",
                "benchmark": "alert",
                "prompt": [{"role": "user", "content": f"is {n} more than {n % 7}"}],
                "category": f"c{n % 3}",
                "cluster": f"item{n % 10}",
                "attack": "prefix" if n % 2 else None,
            }
            for n in range(PROMPTS)
        ]
        self._table("prompts", PROMPT, rows)
        self.overlap = folder / "overlap.json"
        self._overlap()
        self.ids = folder / "ids.parquet"
        render_prompts(self.prompts, base, self.ids)
        move(self.ids, IDS)

    def _table(self, name: str, schema: Schema, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / f"{name}.parquet"
        write_table(path, pl.DataFrame(rows, schema=schema), schema, {})
        self.move(path, schema)
        return path

    def _overlap(self) -> None:
        pairs = [
            {**dict.fromkeys(PREFERENCE), "pair_id": f"t{n}", "prompt": f"is {n} more"}
            for n in range(5)
        ]
        dataset = self._table("dataset", PREFERENCE, pairs)
        report_overlap([dataset], [], self.prompts, self.overlap)
        found = read_result(self.overlap)
        found["contaminated"] = ["p3", "p14", "p8"]
        if self.move is shuffle:
            found["contaminated"].reverse()
        write_result(self.overlap, found)

    def cell(self, recipe: str, seed: int) -> dict[str, Any]:
        """Answer, judge and move; return the paths that a score reads."""
        responses = self.folder / f"{recipe}.parquet"
        generate(
            [self.base],
            self.ids,
            Decode(max_new_tokens=4, temperature=1.0, samples=SAMPLES),
            EngineSpec(batch_size=5),
            seed,
            1,
            self.folder / f"{recipe}.cache",
            responses,
        )
        self.move(responses, RESPONSE)
        verdicts = [self._judge(GUARD, recipe), self._judge(PEOPLE, recipe)]
        return {"responses": responses, "verdicts": verdicts}

    def _judge(self, spec: JudgeSpec, recipe: str) -> Path:
        by_file = spec.method == "file"
        out = self.folder / f"{recipe}-{spec.name}.parquet"
        judge(
            spec,
            [] if by_file else [self.guard],
            self.prompts,
            self.folder / f"{recipe}.parquet",
            EngineSpec(batch_size=5),
            self.folder / f"{recipe}-{spec.name}.cache",
            out,
            verdicts_file=self._told(recipe) if by_file else None,
            cell={**CELL, "recipe": recipe, "benchmark": "alert"},
        )
        self.move(out, VERDICT)
        return out

    def _told(self, recipe: str) -> Path:
        """What people said of each answer, by prompt, sample and text."""
        rows = read_table(self.folder / f"{recipe}.parquet", RESPONSE)
        lines = [
            json.dumps(
                {"prompt_id": p, "sample": s, "response": text, "score": len(p) + s / 7}
            )
            for p, s, text in rows.select("prompt_id", "sample", "text")
            .sort(pl.all())
            .rows()
        ]
        if self.move is shuffle:
            random.Random(1).shuffle(lines)
        file = self.folder / f"{recipe}.jsonl"
        file.write_text("\n".join(lines))
        return file

    def scores(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the scores of the cell, and the global ones of it taken twice."""
        own, base = self.cell("dpo", seed=1), self.cell("none", seed=2)
        shared = {"most_unscored": 0.05, "study_seed": 0}
        score_cell(
            cell={**CELL, "recipe": "dpo", "benchmark": "alert"},
            metric="safety",
            judges=KINDS,
            prompts=self.prompts,
            **own,
            base_responses=base["responses"],
            base_verdicts=base["verdicts"],
            overlap=self.overlap,
            **shared,
            out=self.folder / "score.parquet",
        )
        score_global(
            cell={**CELL, "recipe": "dpo", "benchmark": "global"},
            judges={"one": KINDS, "two": KINDS},
            prompts=[self.prompts] * 2,
            responses=[own["responses"]] * 2,
            verdicts=own["verdicts"] * 2,
            base_responses=[base["responses"]] * 2,
            base_verdicts=base["verdicts"] * 2,
            **shared,
            out=self.folder / "global.parquet",
        )
        names = ("score", "global")
        one, other = (read_table(self.folder / f"{n}.parquet", SCORE) for n in names)
        return one, other


def test_scores_do_not_depend_on_the_order_of_rows_in_any_file(
    tmp_path: Path, base_folder: Path, guard_folder: Path
) -> None:
    grids = [
        Grid(tmp_path / name, base_folder, guard_folder, move)
        for name, move in (("plain", leave), ("moved", shuffle))
    ]
    plain, moved = (grid.scores() for grid in grids)
    # The pairing is at stake only where answers differ from prompt to prompt.
    assert plain[0].filter(metric="safety", slice="all")["value"][0] not in (0, 1)
    assert not plain[0].filter(slice="decontaminated").is_empty()
    assert moved[0].equals(plain[0], null_equal=True)
    assert moved[1].equals(plain[1], null_equal=True)
    folders = [grid.folder for grid in grids]
    hashes = [sha256_file(folder / "dpo.parquet") for folder in folders]
    assert hashes[0] != hashes[1], "the files were in another order"


def test_the_best_of_k_answers_are_the_same_rows_in_any_order(
    tmp_path: Path, base_folder: Path, guard_folder: Path
) -> None:
    found = []
    for name, move in (("plain", leave), ("moved", shuffle)):
        grid = Grid(tmp_path / name, base_folder, guard_folder, move)
        own = grid.cell("it", seed=1)
        out = grid.folder / "best.parquet"
        prompts = {"source": "s", "file": "f", "kind": "instructions"}
        decode = Decode(max_new_tokens=4, temperature=1.0, samples=SAMPLES)
        spec = BestOfKSpec(recipe="it", prompts=prompts, decode=decode, judge="people")
        verdicts = own["verdicts"][1]
        best_of_k("raft", spec, grid.prompts, own["responses"], verdicts, out)
        # Which prompt came first is all that the order of prompts may say.
        found.append(read_table(out, PREFERENCE).drop("source_row").sort("pair_id"))
    assert len(found[0]) == PROMPTS
    assert found[0].equals(found[1], null_equal=True)


@pytest.fixture
def recipe() -> Recipe:
    training = {"learning_rate": 1e-4, "beta": 0.1, "max_steps": 2, "batch": 4}
    training |= {"per_device_train_batch_size": 2}
    return Recipe.model_validate(
        {
            "name": "dpo",
            "method": "dpo",
            "dataset": "pairs",
            "fraction": 0.5,
            "training": training,
        }
    )


def trained_on(
    folder: Path, base: Path, recipe: Recipe, move: Move
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what a training reads: the selected pairs with their references."""
    folder.mkdir()
    dataset, pairs = folder / "dataset.parquet", folder / "pairs.parquet"
    rows = [
        {
            **dict.fromkeys(PREFERENCE),
            "pair_id": f"t{n}",
            "prompt": f"what is {n}",
            "chosen": f"no {n}",
            "rejected": f"yes {n}",
            "source_row": n,
        }
        for n in range(PROMPTS)
    ]
    write_table(dataset, pl.DataFrame(rows, schema=PREFERENCE), PREFERENCE, {})
    move(dataset, PREFERENCE)
    tokenize_pairs(dataset, base, 64, pairs)
    move(pairs, PAIRS)
    values = [
        {"pair_id": f"t{n}", "chosen": -float(n), "rejected": n / 2}
        for n in range(PROMPTS)
    ]
    reference = folder / "reference.parquet"
    params = {"precision": "float32", "start": "base-w"}
    facts = manifest("reference", {}, params)
    write_table(reference, pl.DataFrame(values, schema=REFERENCE), REFERENCE, facts)
    move(reference, REFERENCE)
    selected = select_pairs(read_table(pairs, PAIRS), recipe, 0, pairs)
    return selected, join_reference(selected, reference, recipe, [base])


def test_a_training_reads_the_same_rows_with_their_own_references(
    tmp_path: Path, base_folder: Path, recipe: Recipe
) -> None:
    plain = trained_on(tmp_path / "plain", base_folder, recipe, leave)[1]
    moved = trained_on(tmp_path / "moved", base_folder, recipe, shuffle)[1]
    assert len(plain) == PROMPTS // 2
    assert plain.sort("pair_id").equals(moved.sort("pair_id"), null_equal=True)
    numbers = plain["pair_id"].str.slice(1).cast(pl.Float32)
    assert (plain["ref_chosen_logps"] == -numbers).all()


def test_references_that_hang_on_an_order_are_refused_in_another(
    tmp_path: Path, base_folder: Path, recipe: Recipe
) -> None:
    """KTO's mismatched values depend on a row's neighbours, not on its id alone."""
    selected, paired = trained_on(tmp_path / "plain", base_folder, recipe, leave)
    unpaired = unpair(selected, 2, 0)
    path = tmp_path / "kto.parquet"
    values = unpaired.select("pair_id", "label", kl=pl.lit(0.5, pl.Float32))
    params = {"precision": "float32", "start": "base-w", **kto_params(recipe, 0)}
    write_table(path, values, KTO_REFERENCE, manifest("reference", {}, params))
    rest = (path, recipe, 0, [base_folder])
    assert len(join_kto_reference(unpaired, paired, *rest)) == len(unpaired)
    shuffle(path, KTO_REFERENCE)
    with pytest.raises(TrainingError, match="in this order; make it again"):
        join_kto_reference(unpaired, paired, *rest)
