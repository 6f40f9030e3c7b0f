"""The rows of a training: which, in what order, and with whose reference values."""

from pathlib import Path

import polars as pl
import pytest

from made_up_training import make_recipe
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import KTO_REFERENCE, PAIRS, REFERENCE
from safegrid.study.trainings import Subset, subsets
from safegrid.train.plan import make_plan
from safegrid.train.rows import (
    join_kto_reference,
    join_reference,
    kto_params,
    lengths,
    select_pairs,
    sort_steps,
    stream,
    unpair,
)

PATH = Path("pairs.parquet")


@pytest.fixture
def frame(pairs):
    return read_table(pairs, PAIRS)


def test_subsets_hold_what_any_recipe_trains_on(frame):
    recipes = [
        make_recipe(fraction=0.1),
        make_recipe(fraction=0.2),
        make_recipe(fraction=0.5, categories=["even"]),
    ]
    found = select_pairs(frame, subsets(recipes), 3, PATH)
    read = [select_pairs(frame, subsets([one]), 3, PATH) for one in recipes]
    assert set(found["pair_id"]) == set(pl.concat(read)["pair_id"])
    assert found.height < frame.height
    assert found["pair_id"].to_list() == sorted(found["pair_id"])


@pytest.mark.parametrize("micro_batch", [2, 3, 8, 32])
def test_kto_mismatches_every_prompt_with_another_pairs_answer_of_the_micro_batch(
    frame, micro_batch
):
    rows = unpair(frame, micro_batch, data_seed=3)
    for start in range(0, rows.height, 2 * micro_batch):
        block = rows[start : start + 2 * micro_batch]
        assert block.height == 2 * micro_batch
        assert block["label"].sum() == micro_batch, "both labels alike"
        completions, mismatched, owners = (
            block[name].to_list()
            for name in ("completion_ids", "KL_completion_ids", "pair_id")
        )
        # Those of the row before, of the last row for the first.
        assert mismatched == [completions[-1], *completions[:-1]]
        assert all(a != b for a, b in zip(owners, [owners[-1], *owners], strict=False))


def test_kto_rows_are_each_answer_once(frame):
    rows = unpair(frame, 4, data_seed=0)
    chosen = rows.filter("label").sort("pair_id")
    assert chosen["pair_id"].to_list() == sorted(frame["pair_id"])
    expected = frame.sort("pair_id")["chosen_ids"]
    assert chosen["completion_ids"].to_list() == expected.to_list()
    assert rows.filter(~pl.col("label"))["pair_id"].n_unique() == frame.height


def test_kto_rows_depend_on_the_datasets_seed_and_need_two_micro_batches(frame):
    assert unpair(frame, 4, 0).equals(unpair(frame, 4, 0))
    assert not unpair(frame, 4, 0).equals(unpair(frame, 4, 1))
    with pytest.raises(DataError, match="at least two micro-batches"):
        unpair(frame[:7], 4, 0)


def test_a_runs_seed_permutes_ktos_micro_batches_and_keeps_them_whole(frame):
    sizes = {"batch": 2, "per_device_train_batch_size": 2}
    recipe, rows = make_recipe("kto", max_steps=6, **sizes), unpair(frame[:12], 2, 0)
    first, second = (make_plan(recipe, seed, rows, 12, PATH).order for seed in (0, 1))
    assert first != second
    for order in (first, second):
        starts = order[::4]
        assert sorted(starts) == [0, 4, 8, 12, 16, 20]
        assert order == [start + place for start in starts for place in range(4)]


def test_an_order_goes_through_all_items_before_it_repeats_one():
    order = stream(5, 12, seed=0)
    assert sorted(order[:5]) == sorted(order[5:10]) == [0, 1, 2, 3, 4]
    assert len(order) == 12
    assert stream(5, 7, seed=0) == order[:7]
    assert stream(50, 50, seed=0) != stream(50, 50, seed=1)


def test_rows_of_a_step_are_sorted_by_length_and_no_row_leaves_its_step(frame):
    order, sizes = stream(frame.height, 24, seed=3), lengths(frame)
    found = sort_steps(order, sizes, 8)
    for start in range(0, 24, 8):
        rows = found[start : start + 8]
        assert sorted(rows) == sorted(order[start : start + 8])
        of_rows = [sizes[row] for row in rows]
        assert of_rows == sorted(of_rows, reverse=True)
    assert found != order
    row = frame.row(5, named=True)
    longest = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
    assert sizes[5] == len(row["prompt_ids"]) + longest


def test_fractions_are_nested_and_ruled_by_the_datasets_seed(frame):
    def kept(fraction, seed=0):
        parts = [Subset(fraction, None)]
        return select_pairs(frame, parts, seed, PATH)["pair_id"].to_list()

    assert len(kept(0.25)) == 16
    assert set(kept(0.25)) < set(kept(0.5)) < set(kept(1.0))
    assert kept(0.5) == sorted(kept(0.5))
    assert kept(0.5) != kept(0.5, seed=1)


def test_categories_are_kept_and_what_leaves_nothing_is_refused(frame):
    found = select_pairs(frame, [Subset(1.0, ["odd"])], 0, PATH)
    assert set(found["category"]) == {"odd"}
    assert found.height == 32
    for part, told in (
        (Subset(1.0, ["odd", "prime"]), r"\['prime'\] do not occur.*'even', 'odd'"),
        (Subset(0.001, None), "leaves no pair"),
    ):
        with pytest.raises(DataError, match=told):
            select_pairs(frame, [part], 0, PATH)


def test_epochs_are_whole_batches():
    training = make_recipe(max_steps=None, num_train_epochs=2.0).training
    assert training.count_steps(20) == 5
    assert training.count_steps(3) == 1


@pytest.fixture
def values(tmp_path, base_folder):
    """Return a writer of reference values, made under the made-up base."""

    def write(rows, schema, **params):
        path = tmp_path / "reference.parquet"
        params |= {"precision": "float32", "start": "base-w"}
        write_table(path, rows, schema, manifest("reference", {}, params))
        return path

    return write


def numbered(frame):
    """Reference values that tell which pair is theirs."""
    numbers = pl.col("pair_id").str.slice(1).cast(pl.Float32)
    return frame.select("pair_id", chosen=-numbers, rejected=numbers / 2)


def test_pairs_get_their_own_references_whatever_the_order(frame, values, base_folder):
    recipe = make_recipe(fraction=0.5)
    path = values(numbered(frame).reverse(), REFERENCE)
    found = []
    for rows in (frame, frame.sample(fraction=1, shuffle=True, seed=3)):
        selected = select_pairs(rows, subsets([recipe]), 0, PATH)
        joined = join_reference(selected, path, recipe, [base_folder])
        assert joined["pair_id"].to_list() == selected["pair_id"].to_list()
        found.append(joined.sort("pair_id"))
    assert len(found[0]) == 32
    assert found[0].equals(found[1])
    own = numbered(found[0])
    for side in ("chosen", "rejected"):
        assert found[0][f"ref_{side}_logps"].to_list() == own[side].to_list()


def test_references_that_hang_on_an_order_are_refused_in_another(
    frame, values, base_folder
):
    """KTO's mismatched values depend on a row's neighbours, not on its id alone."""
    recipe, stack = make_recipe("kto"), [base_folder]
    path = values(numbered(frame), REFERENCE)
    unpaired = unpair(join_reference(frame, path, recipe, stack), 8, 0)
    own = numbered(unpaired).select(
        pl.when(unpaired["label"]).then("chosen").otherwise("rejected")
    )
    assert unpaired["ref_logps"].to_list() == own.to_series().to_list()
    kl = unpaired.select("pair_id", "label", kl=pl.lit(0.5, pl.Float32))
    rest = (path, recipe, 0, stack)
    values(kl, KTO_REFERENCE, **kto_params(recipe, 0))
    assert len(join_kto_reference(unpaired, *rest)) == len(unpaired)
    values(kl.reverse(), KTO_REFERENCE, **kto_params(recipe, 0))
    with pytest.raises(TrainingError, match="in this order; make it again"):
        join_kto_reference(unpaired, *rest)
