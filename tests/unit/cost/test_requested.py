"""Which GPU a run's options ask for, by rule."""

from types import SimpleNamespace
from typing import Any

import pytest

from safegrid.core.errors import ConfigError
from safegrid.cost.fit import asked_gpus, check_fit
from safegrid.cost.jobs import RULES
from safegrid.cost.registry import meant

FULL = {"lora": None, "gradient_checkpointing": False}


def settings(default: Any = None, **by_rule: Any) -> Any:
    """Return resources as Snakemake has them: each with what was written."""

    def raw(found: dict[str, Any]) -> dict[str, Any]:
        return {name: SimpleNamespace(raw=value) for name, value in found.items()}

    return SimpleNamespace(
        default_resources=None if default is None else raw(default),
        overwrite_resources={rule: raw(found) for rule, found in by_rule.items()},
    )


@pytest.mark.parametrize(
    ("called", "known"),
    [
        ("h200", "h200"),
        ("NVIDIA H200", "h200"),
        ("nvidia_h200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A10G", None),
        ("cpu x86_64, 2 threads", None),
    ],
)
def test_a_gpu_is_known_by_what_it_is_called(gpus, called, known):
    assert meant(gpus, called) == known


def test_no_name_means_two_gpus(gpus):
    names = [meant(gpus, n) for name, g in gpus.items() for n in (name, *g.aliases)]
    own = [name for name, g in gpus.items() for _ in (name, *g.aliases)]
    assert names == own


def test_a_rule_is_stronger_than_the_default():
    found = asked_gpus({"gres": "'gpu:h200:1'"}, {"train": {"gres": "gpu:a100_80gb:2"}})
    assert found == {**dict.fromkeys(RULES, "h200"), "train": "a100_80gb"}
    model = {"train": {"gpu": 1, "gpu_model": "'l40s'"}}
    assert asked_gpus({}, model) == {"train": "l40s"}, "as the SLURM plugin has it"


@pytest.mark.parametrize(
    "resources",
    [{}, {"gres": "gpu:1"}, {"gpu": 1}, {"gres": None}, {"mem_mb": 1000}],
)
def test_an_unnamed_gpu_is_none(resources):
    assert asked_gpus(resources, {}) == {}


def test_an_unknown_gpu_is_said_and_refuses_nothing(make_study, tmp_path):
    study = make_study("falcon-11b", {"training": FULL})
    said = check_fit(study, tmp_path / "config", None, settings({"gres": "gpu:b900:1"}))
    assert "not checked for GPU b900" in said


def test_without_a_gpu_nothing_is_read(make_study, tmp_path):
    study = make_study("falcon-11b", {"training": FULL})
    assert check_fit(study, tmp_path / "nowhere", None, settings()) == ""


def test_a_study_that_does_not_fit_is_refused(make_study, tmp_path):
    study = make_study("falcon-11b", {"training": FULL})
    asked = settings(train={"gres": "gpu:h200:1"})
    with pytest.raises(ConfigError, match="2 kinds of job do not fit"):
        check_fit(study, tmp_path / "config", None, asked)
    with pytest.raises(
        ConfigError, match="it fits with `gradient_checkpointing: true`"
    ):
        check_fit(study, tmp_path / "config", "h200", settings())


def test_the_option_is_stronger_than_the_profile(make_study, tmp_path):
    study = make_study("falcon-11b")
    asked = settings({"gres": "gpu:a10:1"})
    assert check_fit(study, tmp_path / "config", "h200", asked) == ""
    with pytest.raises(ConfigError, match="did you mean 'h200'"):
        check_fit(study, tmp_path / "config", "h20", asked)
