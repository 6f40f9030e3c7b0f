"""A profile as Snakemake itself reads it: where it is found, and what it amounts to."""

import io
import os
import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from safegrid.core.errors import ConfigError
from safegrid.doctor import Finding, ok, warn

DEFAULT = Path("profiles/default/config.yaml")
EXECUTOR = re.compile(r"argument --executor/-e: invalid choice: '(.*?)'")


@dataclass(frozen=True)
class Profile:
    """A profile that was found; `args` are Snakemake's, under profiles/default too."""

    name: str
    file: Path
    args: Namespace

    @property
    def executor(self) -> str:
        """The plugin that it names; `local` without one."""
        return self.args.executor or "local"

    @property
    def submitted(self) -> set[str]:
        """The rules that it says something of: these leave this machine."""
        return {*(self.args.set_resources or {}), *(self.args.groups or {})}

    def settings(self) -> Any:
        """Return its plugin's settings; a ConfigError tells that they are refused."""
        from snakemake_interface_common.exceptions import WorkflowError
        from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

        plugin = ExecutorPluginRegistry().get_plugin(self.executor)
        try:
            return plugin.get_settings(self.args)
        except WorkflowError as error:
            raise ConfigError(f"{self.file}: {error}") from error


def read_profile(name: str) -> Profile:
    """Find and read a profile as `snakemake --profile NAME` does.

    Raises:
        ConfigError: there is none, its plugin is not installed, or Snakemake refuses
            what stands in it.
    """
    from snakemake.cli import get_profile_dir, parse_args

    told = io.StringIO()
    try:
        with redirect_stderr(told), redirect_stdout(told):
            _, args = parse_args(["--profile", name])
    except SystemExit as error:
        said = told.getvalue().strip().rpartition("rror: ")[2]
        raise ConfigError(f"--profile {name}: {said}{_hint(name, said)}") from error
    found = get_profile_dir(name)
    assert found is not None, "a profile that is nowhere was refused"
    return Profile(name, Path(found[1]), args)


def look_at(profile: Profile) -> Iterator[Finding]:
    """Tell where a profile was found, and what is stronger than it."""
    where = os.path.relpath(profile.file.resolve())
    yield ok("profile", f"--profile {profile.name} is {where}")
    plugin = f"snakemake-executor-plugin-{profile.executor}"
    told = f", {plugin} {version(plugin)}" if profile.executor != "local" else ""
    yield ok("executor", f"{profile.executor}: Snakemake {version('snakemake')}{told}")
    stronger = sorted(_keys(DEFAULT) & _keys(profile.file))
    if DEFAULT.resolve() != profile.file.resolve() and stronger:
        yield warn(
            "profile",
            f"{DEFAULT} is stronger than --profile, so these keys of {where} do"
            f" nothing: {', '.join(stronger)}; remove them from one of the two",
        )


def _hint(name: str, said: str) -> str:
    if executor := EXECUTOR.search(said):
        return f": pip install snakemake-executor-plugin-{executor[1]}"
    there = sorted(path.parent.name for path in Path("profiles").glob("*/config.yaml"))
    if name in there:
        return (
            f" profiles/{name} is there, but Snakemake does not look into profiles/:"
            f" say --profile profiles/{name}, or ln -s profiles/{name} {name}"
        )
    return f" profiles/ holds {', '.join(there)}" if "directory given" in said else ""


def _keys(file: Path) -> set[str]:
    # As Snakemake reads it: by YAML 1.1.
    return set(yaml.safe_load(file.read_text("utf-8"))) if file.exists() else set()
