"""Profiles say where and how big, and the default one nothing that is stronger."""

from functools import cache
from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[3] / "profiles"
NAMES = sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))
# Their executors are not in the environment: test_cloud_profiles.py reads them.
CLOUD = {"kubernetes", "aws-batch", "google-batch"}

# profiles/default is read at every run and overrides --profile key by key, so it may
# hold nothing that a place decides: no executor, jobs or resources. Cores are those of
# the machine that calls, which a cluster's jobs do not count against.
NEUTRAL = {
    "cores",
    "printshellcmds",
    "rerun-incomplete",
    "keep-going",
    "scheduler",
    "show-failed-logs",
}


def read(name):
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


@cache
def options():
    """Return the long options of the installed Snakemake, its plugins' included."""
    from snakemake.cli import get_argument_parser

    actions = get_argument_parser(profiles=None)._actions
    return {flag.lstrip("-") for action in actions for flag in action.option_strings}


def test_the_default_profile_holds_neutral_keys_only():
    default = read("default")
    assert set(default) <= NEUTRAL
    assert default["keep-going"]
    assert default["rerun-incomplete"]


@pytest.mark.parametrize("name", sorted(set(NAMES) - CLOUD))
def test_a_profile_holds_options_that_snakemake_knows(name):
    assert set(read(name)) - options() == set()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "default"])
def test_no_profile_repeats_a_key_that_the_default_one_overrides(name):
    assert not set(read(name)) & set(read("default"))
