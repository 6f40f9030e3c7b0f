"""The studies at full size, which are never run here: what they plan."""

from collections import Counter
from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.study import Study, judges, trainings
from safegrid.study.axes import axes
from safegrid.study.grid import Cell, Model

ROOT = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="module")
def serve():
    return Study(load_config(ROOT, "safe-to-serve"))


@pytest.fixture(scope="module")
def course():
    return Study(load_config(ROOT, "course-correction"))


def test_each_iteration_of_raft_is_an_adapter_on_the_last_ones(serve):
    assert {spec.decode.samples for spec in serve.generated.values()} == {8}
    stack = serve.stack(Model("llama-2-7b", "raft_5", 42))
    made = [folder.split("/")[-2] for folder in stack[1:]]
    assert made == ["it", *(f"raft_{n}" for n in range(1, 6))]


def test_the_own_reward_model_judges_and_answers_nothing(serve):
    own = Model("gemma-2b-it", "own_reward", 42)
    assert own in serve.trained
    assert own not in serve.models
    assert judges.stack(serve, "own-reward", "llama-2-7b") == [serve.model_dir(own)]
    pool = Cell(Model("llama-2-7b", "it", 42), "raft_own")
    assert pool in serve.pool_cells


def test_one_guard_and_one_decoding_for_every_recipe(serve):
    sets = [spec for spec in serve.prompted.values() if spec.metric == "safety"]
    assert len(sets) == 5
    assert len({spec.decode.model_dump_json() for spec in sets}) == 1
    assert len({tuple(spec.judges) for spec in sets}) == 1


def test_corrections_are_made_once_by_llama_2_for_both(course):
    makers = {cell.model for cell in course.pool_cells}
    assert makers == {Model("llama-2-7b-chat", "none", 0)}
    assert len(course.pool_cells) == 50
    rows = {
        trainings.dataset_file(course, m.base, trainings.rows_name(course, m))
        for m in course.trained
    }
    assert len(rows) == 1
    assert {model.base for model in course.trained} == {
        "llama-2-7b-chat",
        "qwen2-7b-instruct",
    }
    spec = course.generated["c2_syn"]
    assert spec.requests.limit * spec.requests.pairs == 750_000


def test_the_axis_of_scale_has_six_sizes_under_one_training():
    scale = Study(load_config(ROOT, "scale"))
    sizes = [scale.config.bases[base].shape.parameters / 1e9 for base in scale.bases]
    expected = [0.49, 1.54, 3.09, 7.62, 14.8, 32.8]
    assert sizes == pytest.approx(expected, rel=0.01)
    lines = axes(scale)["scale"]
    assert [line.name for line in lines] == ["none", "dpo", "nca"]
    assert {len(line.points) for line in lines} == {6}


def test_ten_models_are_asked_and_the_largest_where_it_is_served(course):
    assert len(course.bases) == 10
    large = "qwen2-72b-instruct"
    served = {base for base in course.bases if course.engine(base).kind == "address"}
    assert served == {large}
    assert course.engine(large).address == ["http://127.0.0.1:8000"]
    # Fluency asks the model itself; other judges have the study's engine.
    assert (
        judges.engine(course, "fluency", large)
        == course.engine(large).model_dump_json()
    )
    others = judges.engine(course, "llama-guard-3-8b", large)
    assert others == course.config.study.engine.model_dump_json()
    cells = course.cells(["c2_eval", "alert_adversarial", "capability"])
    asked = Counter(cell.benchmark for cell in cells)
    assert set(asked.values()) == {len(course.models)} == {12}
