"""What belongs together is found by id: rows of any file in any order, same results."""

import hashlib
import json
import math
import random

import polars as pl
import pytest

from made_up_training import make_recipe
from safegrid.config import Decode, EngineSpec, JudgeSpec
from safegrid.config.generated import BestOfKSpec
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
DECODE = Decode(max_new_tokens=4, temperature=1.0, samples=SAMPLES)
ENGINE = EngineSpec(batch_size=5)
CELL = {"study": "s", "base": "b", "seed": 0}
GUARD = JudgeSpec(name="guard", kind="guard")
PEOPLE = JudgeSpec(name="people", kind="reward", method="file")
KINDS = {"guard": "guard", "people": "reward"}


def shuffle(path, schema):
    """Put the rows of a table into another order; its manifest stays."""
    frame, facts = read_table(path, schema), read_manifest(path)
    moved = frame.sample(fraction=1, shuffle=True, seed=len(path.name))
    assert not moved.equals(frame), "the order must be another one"
    write_table(path, moved, schema, facts)


def leave(path, schema):
    """Leave the rows of a table as they are."""


def number_of(*parts):
    """Return a number that depends on all of a question."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4])


def write(path, schema, rows, move):
    blank = dict.fromkeys(schema)
    frame = pl.DataFrame([{**blank, **row} for row in rows], schema=schema)
    write_table(path, frame, schema, {})
    move(path, schema)
    return path


@pytest.fixture(autouse=True)
def _answers(fake_engine):
    def answer(ids, seed):
        number = number_of(list(ids), seed) % 1000
        return Completion([number], "eos", number % 9 + 1, f"answer {number}")

    def labels(ids, words):
        safe = 0.05 + 0.9 * (number_of(list(ids)) % 1000) / 1000
        return [math.log(safe), math.log(1 - safe)]

    fake_engine.answer, fake_engine.labels = answer, labels


class Grid:
    """Two cells of a benchmark, made stage by stage; each file is moved when made."""

    def __init__(self, folder, base, guard, move):
        self.folder, self.base, self.guard, self.move = folder, base, guard, move
        folder.mkdir()
        self.overlap, self.ids = folder / "overlap.json", folder / "ids.parquet"
        prompts = [
            {
                "prompt_id": f"p{n}",
                "benchmark": "alert",
                "prompt": [{"role": "user", "content": f"is {n} more than {n % 7}"}],
                "category": f"c{n % 3}",
                "cluster": f"item{n % 10}",
                "attack": "prefix" if n % 2 else None,
            }
            for n in range(PROMPTS)
        ]
        self.prompts = write(folder / "prompts.parquet", PROMPT, prompts, move)
        pairs = [{"pair_id": f"t{n}", "prompt": f"is {n} more"} for n in range(5)]
        dataset = write(folder / "dataset.parquet", PREFERENCE, pairs, move)
        report_overlap([dataset], [], self.prompts, self.overlap)
        shared = ["p3", "p14", "p8"][:: -1 if move is shuffle else 1]
        found = {**read_result(self.overlap), "contaminated": shared}
        write_result(self.overlap, found)
        render_prompts(self.prompts, base, self.ids)
        move(self.ids, IDS)

    def cell(self, recipe, seed):
        """Answer, judge and move; return the paths that a score reads."""
        responses = self.folder / f"{recipe}.parquet"
        cache = self.folder / f"{recipe}.cache"
        generate([self.base], self.ids, DECODE, ENGINE, seed, 1, cache, responses)
        self.move(responses, RESPONSE)
        verdicts = [self._judge(spec, recipe, responses) for spec in (GUARD, PEOPLE)]
        return {"responses": responses, "verdicts": verdicts}

    def _judge(self, spec, recipe, responses):
        by_file = spec.method == "file"
        out = self.folder / f"{recipe}-{spec.name}.parquet"
        judge(
            spec,
            [] if by_file else [self.guard],
            self.prompts,
            responses,
            ENGINE,
            out.with_suffix(".cache"),
            out,
            verdicts_file=self._told(responses) if by_file else None,
            cell={**CELL, "recipe": recipe, "benchmark": "alert"},
        )
        self.move(out, VERDICT)
        return out

    def _told(self, responses):
        """What people said of each answer, by prompt, sample and text."""
        rows = read_table(responses, RESPONSE).select("prompt_id", "sample", "text")
        lines = [
            json.dumps({**row, "score": len(row["prompt_id"]) + row["sample"] / 7})
            for row in rows.rename({"text": "response"}).sort(pl.all()).rows(named=True)
        ]
        if self.move is shuffle:
            random.Random(1).shuffle(lines)
        file = responses.with_suffix(".jsonl")
        file.write_text("\n".join(lines))
        return file

    def scores(self):
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
        files = (self.folder / f"{name}.parquet" for name in ("score", "global"))
        return [read_table(file, SCORE) for file in files]


@pytest.fixture
def grids(tmp_path, base_folder, guard_folder):
    return [
        Grid(tmp_path / move.__name__, base_folder, guard_folder, move)
        for move in (leave, shuffle)
    ]


def test_scores_do_not_depend_on_the_order_of_rows_in_any_file(grids):
    plain, moved = (grid.scores() for grid in grids)
    # The pairing is at stake only where answers differ from prompt to prompt.
    assert plain[0].filter(metric="safety", slice="all")["value"][0] not in (0, 1)
    assert not plain[0].filter(slice="decontaminated").is_empty()
    for one, other in zip(plain, moved, strict=True):
        assert one.equals(other, null_equal=True)
    hashes = {sha256_file(grid.folder / "dpo.parquet") for grid in grids}
    assert len(hashes) == 2, "the files were in another order"


def test_the_best_of_k_answers_are_the_same_rows_in_any_order(grids):
    found = []
    prompts = {"source": "s", "file": "f", "kind": "instructions"}
    spec = BestOfKSpec(recipe="it", prompts=prompts, decode=DECODE, judge="people")
    for grid in grids:
        own, out = grid.cell("it", seed=1), grid.folder / "best.parquet"
        verdicts = own["verdicts"][1]
        best_of_k("raft", spec, grid.prompts, own["responses"], verdicts, out)
        # Which prompt came first is all that the order of prompts may say.
        found.append(read_table(out, PREFERENCE).drop("source_row").sort("pair_id"))
    assert len(found[0]) == PROMPTS
    assert found[0].equals(found[1], null_equal=True)


RECIPE = make_recipe(fraction=0.5)


def trained_on(folder, base, move):
    """Return what a training reads: the selected pairs with their references."""
    folder.mkdir()
    pairs, path = folder / "pairs.parquet", folder / "reference.parquet"
    rows, values = [], []
    for n in range(PROMPTS):
        pair = {"pair_id": f"t{n}", "prompt": f"what is {n}", "source_row": n}
        rows.append({**pair, "chosen": f"no {n}", "rejected": f"yes {n}"})
        values.append({"pair_id": f"t{n}", "chosen": -float(n), "rejected": n / 2})
    dataset = write(folder / "dataset.parquet", PREFERENCE, rows, move)
    tokenize_pairs(dataset, base, 64, pairs)
    move(pairs, PAIRS)
    params = {"precision": "float32", "start": "base-w"}
    facts = manifest("reference", {}, params)
    write_table(path, pl.DataFrame(values, schema=REFERENCE), REFERENCE, facts)
    move(path, REFERENCE)
    selected = select_pairs(read_table(pairs, PAIRS), RECIPE, 0, pairs)
    return selected, join_reference(selected, path, RECIPE, [base])


def test_a_training_reads_the_same_rows_with_their_own_references(
    tmp_path, base_folder
):
    plain, moved = (
        trained_on(tmp_path / move.__name__, base_folder, move)[1].sort("pair_id")
        for move in (leave, shuffle)
    )
    assert len(plain) == PROMPTS // 2
    assert plain.equals(moved, null_equal=True)
    numbers = plain["pair_id"].str.slice(1).cast(pl.Float32)
    assert (plain["ref_chosen_logps"] == -numbers).all()


def test_references_that_hang_on_an_order_are_refused_in_another(tmp_path, base_folder):
    """KTO's mismatched values depend on a row's neighbours, not on its id alone."""
    selected, paired = trained_on(tmp_path / "plain", base_folder, leave)
    unpaired = unpair(selected, 2, 0)
    path = tmp_path / "kto.parquet"
    values = unpaired.select("pair_id", "label", kl=pl.lit(0.5, pl.Float32))
    params = {"precision": "float32", "start": "base-w", **kto_params(RECIPE, 0)}
    write_table(path, values, KTO_REFERENCE, manifest("reference", {}, params))
    rest = (path, RECIPE, 0, [base_folder])
    assert len(join_kto_reference(unpaired, paired, *rest)) == len(unpaired)
    shuffle(path, KTO_REFERENCE)
    with pytest.raises(TrainingError, match="in this order; make it again"):
        join_kto_reference(unpaired, paired, *rest)
