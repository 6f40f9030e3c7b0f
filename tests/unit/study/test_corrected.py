"""Datasets of course corrections in the graph of a study: files, parts, checks."""

import pytest
from pydantic import TypeAdapter

from safegrid.config.engine import Decoding
from safegrid.config.generated import CorrectionsSpec
from safegrid.core.errors import ConfigError
from safegrid.study import cells, sources, trainings
from safegrid.study.grid import Cell, Model
from safegrid.study.upstreams import Upstreams


def corrected(**changes):
    made = {
        "recipe": "none",
        "decode": {"max_new_tokens": 16},
        "requests": {"source": "c2-eval", "file": "test", "limit": 20},
    }
    return {"corrections": {**made, **changes}, "max_length": 160}


def with_corrections(entry):
    """Add corrections that every kind of method is trained on."""
    entry["seeds"] = [0, 1]
    entry["datasets"]["c2"] = corrected(shards=2)
    entry["recipes"] |= {
        f"c2_{method}": {"method": method, "dataset": "c2"}
        for method in ("dpo", "kto", "orpo")
    }


def put(**changes):
    return lambda entry: entry["datasets"]["c2"]["corrections"].update(changes)


@pytest.fixture
def load(load_tiny):
    """Load study tiny with corrections, after changes of it."""
    return lambda *changes: load_tiny(with_corrections, *changes)


def test_parts_are_asked_of_the_maker_and_the_whole_of_nobody(load):
    study, base = load(), Model("tiny-base", "none", 0)
    parts = [Cell(base, "c2/part1"), Cell(base, "c2/part2")]
    assert study.pool_cells == parts
    assert cells.made_from(study, "c2", "tiny-base", 0) == parts
    assert cells.all_answers(study, parts) == [
        f"results/tiny/responses/tiny-base/none/seed0/c2/part{n}.parquet"
        for n in (1, 2)
    ]
    assert {cells.answers(study, cell) for cell in parts} <= set(
        cells.model_answers(study, base)
    )
    assert cells.verdicts(study, parts[0]) == []
    assert set(study.pools) == {"c2/part1", "c2/part2"}
    assert not set(study.pools) & set(study.with_prompts)

    assert load(put(shards=1)).pool_cells == [Cell(base, "c2")]


def test_models_of_every_seed_and_method_train_on_the_rows_of_one_maker(load):
    study = load()
    for method in ("dpo", "kto", "orpo"):
        for seed in (0, 1):
            model = Model("tiny-base", f"c2_{method}", seed)
            assert trainings.rows_name(study, model) == "c2/seed0"
            pairs = "results/tiny/pairs/tiny-base/c2/seed0.parquet"
            assert trainings.pairs(study, model) == pairs
    folder = "results/tiny/reference/tiny-base/none/seed0/c2"
    dpo, kto = (Model("tiny-base", f"c2_{m}", 1) for m in ("dpo", "kto"))
    assert trainings.reference(study, dpo) == [f"{folder}/seed0.parquet"]
    (mismatched,) = trainings.kto_reference(study, kto)
    assert mismatched.startswith(f"{folder}/seed0.kto-")
    assert not trainings.reference(study, Model("tiny-base", "c2_orpo", 1))


def test_a_recipe_that_starts_elsewhere_has_its_own_reference_of_the_same_rows(load):
    study = load(lambda entry: entry["recipes"]["c2_dpo"].update(init_from="dpo"))
    (file,) = trainings.reference(study, Model("tiny-base", "c2_dpo", 1))
    # The start model is of seed 1, the maker of seed 0.
    assert file == "results/tiny/reference/tiny-base/dpo/seed1/c2/seed0.parquet"


def test_one_base_makes_the_rows_that_models_of_all_bases_are_trained_on(load):
    def two(entry):
        entry["bases"] = ["tiny-base", "mini-base"]
        entry["datasets"]["c2"] = corrected(base="tiny-base", recipe="dpo", seed=1)

    study = load(two)
    model = Model("mini-base", "c2_dpo", 0)
    assert study.maker("c2", "mini-base", 0) == Model("tiny-base", "dpo", 1)
    assert (
        trainings.pairs(study, model) == "results/tiny/pairs/mini-base/c2/seed1.parquet"
    )
    made = trainings.dataset_file(study, "mini-base", trainings.rows_name(study, model))
    assert made == "results/tiny/generated/tiny-base/c2/seed1.parquet"
    assert study.pool_cells == [Cell(Model("tiny-base", "dpo", 1), "c2")]


def test_beams_are_part_of_how_a_pool_is_asked_and_their_code_is_fetched(load):
    plain = load().asked["c2/part1"].decode
    study = load(put(beams={"penalty": 0.7}))
    decode = study.asked["c2/part1"].decode
    beams = {"beams": {"groups": 2, "penalty": 0.7}}
    assert decode.model_dump() == {**plain.model_dump(), **beams}
    assert (plain.width, decode.width) == (1, 2)
    read = TypeAdapter(Decoding).validate_json
    for given in (plain, decode):
        assert read(given.model_dump_json()) == given
    # A stage is given the block as JSON, with every default written out.
    made = study.corrected["c2"]
    assert CorrectionsSpec.model_validate_json(made.model_dump_json()) == made
    assert sources.search_files(study, "c2/part1") == [
        "results/raw/diverse-beams/custom_generate/generate.py",
        "results/raw/diverse-beams/custom_generate/beam_search.py",
    ]
    assert sources.search_files(study, "alert") == []
    upstreams = Upstreams(study)
    items = {i.name: i for i in upstreams.items}
    assert items["c2-eval"].files == ("test.jsonl",)
    assert len(items["diverse-beams"].files) == 2
    assert items["diverse-beams"].unpinned
    assert upstreams.item("source", "diverse-beams").spec().remote_code
    assert not upstreams.item("source", "c2-eval").spec().remote_code


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put(recipe="c2_dpo"), r"recipes\.c2_dpo\.init_from.*its rows are made by it"),
        (put(recipe="dppo"), r"corrections\.recipe.*got 'dppo'.*did you mean 'dpo'"),
        (
            put(base="mini-base"),
            r"corrections\.base.*'mini-base', no base of",
        ),
        (
            put(requests={"source": "c2-eval", "file": "tset"}),
            r"corrections\.requests\.file.*did you mean 'test'",
        ),
        (
            put(requests={"source": "tiny-xstest", "file": "xstest"}),
            r"'tiny-xstest' is of format 'xstest', which holds no answers labelled",
        ),
        (put(beams={"source": "c2-eval"}), r"'c2-eval' is .* which holds no code"),
        (put(beams={"groups": 1}), r"beams\.groups.*greater than or equal to 2"),
        (
            put(beams={}, decode={"max_new_tokens": 8, "temperature": 0.5}),
            r"`beams` search for the best answer and know no temperature",
        ),
        (
            lambda e: (put(beams={})(e), e.update(engine={"kind": "vllm"})),
            r"corrections\.beams: an engine of kind 'vllm' searches in no diverse",
        ),
        (
            put(judge="tiny-refusal"),
            r"corrections\.judge: 'tiny-refusal' is of kind 'refusal', which calls no",
        ),
        (
            lambda e: e.update(engines={"tiny-bose": {"kind": "vllm"}}),
            r"engines.*got 'tiny-bose'.*did you mean 'tiny-base'",
        ),
        (
            put(decode={"max_new_tokens": 8, "samples": 2}),
            r"`samples` is 2: a correction is one answer",
        ),
        (
            lambda e: e["datasets"]["c2"].update(limit=10),
            r"datasets\.c2.*rows that a model makes know no limit",
        ),
        (
            lambda e: e["datasets"].update(alert=corrected()),
            r"datasets\.alert\.corrections.*a benchmark has this name",
        ),
    ],
)
def test_what_cannot_be_made_is_told_before_any_job(load, change, said):
    with pytest.raises(ConfigError, match=said):
        load(change)


def test_a_guard_of_corrections_judges_every_part(load):
    study = load(put(judge="tiny-guard"))
    assert cells.verdicts(study, *study.pool_cells) == [
        f"results/tiny/verdicts/tiny-guard/tiny-base/none/seed0/c2/part{n}.parquet"
        for n in (1, 2)
    ]
