"""A start model that cannot read a token is told before its weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safegrid.config.training import Recipe
from safegrid.core.errors import DataError
from safegrid.train.reference import compute_kto_reference, compute_reference
from safegrid.train.run import train


@pytest.fixture
def small(base: Path, tmp_path: Path) -> Path:
    """The base without weights, and without rows for its tokenizer's last tokens."""
    folder = tmp_path / "small"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((base / "config.json").read_text())
    config["vocab_size"] -= 3
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def refusal(start: Callable[[], Any], out: Path) -> str:
    with pytest.raises(DataError) as caught:
        start()
    assert not out.exists()
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("room", ["reference", "kto_reference", "train", "engine"])
def test_every_room_tells_it_first(
    room: str,
    small: Path,
    pairs: Path,
    tmp_path: Path,
    make_recipe: Callable[..., Recipe],
) -> None:
    from types import SimpleNamespace

    from safegrid.engine.model import load

    out, kto, dpo = tmp_path / "out", make_recipe("kto"), make_recipe("dpo")
    launch_spec: Any = SimpleNamespace(threads=1, stack=[str(small)], search=None)
    starts: dict[str, Callable[[], Any]] = {
        "reference": lambda: compute_reference(pairs, [small], "float32", 8, out),
        "kto_reference": lambda: compute_kto_reference(pairs, [small], kto, 0, out),
        "train": lambda: train(
            pairs, [small], None, None, dpo, 0, 0, [out], tmp_path / "checkpoints"
        ),
        "engine": lambda: load(launch_spec),
    }
    rows = json.loads((small / "config.json").read_text())["vocab_size"]
    message = refusal(starts[room], out)
    assert f"but the embedding of the model in {small} has {rows} rows" in message
    assert f"there are 3, with ids up to {rows + 2}" in message


def test_pairs_of_a_larger_tokenizer_are_told(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    import polars as pl

    from safegrid.core.artifacts import read_table
    from safegrid.core.records import PAIRS
    from safegrid.train.checks import check_vocabulary

    rows = json.loads((base / "config.json").read_text())["vocab_size"]
    frame = read_table(pairs, PAIRS)
    check_vocabulary(frame, pairs, base)
    largest = pl.Series([[rows]], dtype=frame.schema["rejected_ids"])
    longer = frame.with_columns(pl.concat_list("rejected_ids", pl.lit(largest)))
    with pytest.raises(DataError, match=rf"pairs\.parquet: token '{rows}' has id"):
        check_vocabulary(longer, pairs, base)
