"""A profile as Snakemake itself reads it: where it is found, and what it amounts to."""

import io
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from safegrid.config.documents import Problems
from safegrid.config.yaml_files import text_of
from safegrid.core.errors import ConfigError
from safegrid.doctor.findings import Finding, ok, warn

DEFAULT = Path("profiles/default/config.yaml")


@dataclass(frozen=True)
class Profile:
    """A profile that was found.

    Attributes:
        name: as it was given.
        file: where it stands.
        executor: the plugin that it names; `local` without one.
        args: Snakemake's options under it, those of profiles/default included.
    """

    name: str
    file: Path
    executor: str
    args: Namespace

    @property
    def submitted(self) -> set[str]:
        """The rules that it says something of: these leave this machine."""
        return {*(self.args.set_resources or {}), *(self.args.groups or {})}

    def settings(self) -> Any:
        """Return the settings of its executor's plugin.

        Raises:
            ConfigError: the plugin refuses them.
        """
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
    file = _locate(name)
    executor = _keys(file).get("executor") or "local"
    _check_plugin(executor, file)
    return Profile(name, file, executor, _parsed(name, file))


def look_at(profile: Profile) -> Iterator[Finding]:
    """Tell where a profile was found, and what is stronger than it."""
    where = os.path.relpath(profile.file.resolve())
    yield ok("profile", f"--profile {profile.name} is {where}")
    plugin = f"snakemake-executor-plugin-{profile.executor}"
    told = f", {plugin} {version(plugin)}" if profile.executor != "local" else ""
    yield ok("executor", f"{profile.executor}: Snakemake {version('snakemake')}{told}")
    stronger = sorted(set(_keys(DEFAULT)) & set(_keys(profile.file)))
    if DEFAULT.resolve() != profile.file.resolve() and stronger:
        yield warn(
            "profile",
            f"{DEFAULT} is stronger than --profile, so these keys of {where} do"
            f" nothing: {', '.join(stronger)}; remove them from one of the two",
        )


def _locate(name: str) -> Path:
    from snakemake.cli import get_profile_dir
    from snakemake.common import get_appdirs

    found = get_profile_dir(name)
    if found is not None:
        return Path(found[1])
    if Path(name).exists():
        raise ConfigError(
            f"{Path(name).resolve()} is in the way: Snakemake takes it for the profile"
            " and looks nowhere else, but it holds no config.yaml or profile.yaml; put"
            " one there, or give it another name"
        )
    folders = [Path.cwd(), *map(Path, _config_folders(get_appdirs()))]
    looked = ", ".join(str(folder / name) for folder in folders)
    there = sorted(path.parent.name for path in Path("profiles").glob("*/config.yaml"))
    if name in there:
        hint = (
            f"; profiles/{name} is there, but Snakemake does not look into profiles/:"
            f" say --profile profiles/{name}, or ln -s profiles/{name} {name}"
        )
    else:
        hint = f"; profiles/ holds {', '.join(there)}" if there else ""
    raise ConfigError(
        f"no profile {name!r}; looked for a file of that name, or for config.yaml or"
        f" profile.yaml in a folder of that name: {looked}{hint}"
    )


def _config_folders(folders: Any) -> list[str]:
    return [folders.user_config_dir, folders.site_config_dir]


def _keys(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    problems = Problems()
    text = text_of(file, problems)
    problems.raise_if_any("profile")
    try:
        # As Snakemake reads it: by YAML 1.1.
        found = yaml.safe_load(text or "") or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: expected keys with values, such as `jobs: 100`")
    return found


def _check_plugin(executor: object, file: Path) -> None:
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    known = ExecutorPluginRegistry().plugins
    if not isinstance(executor, str):
        raise ConfigError(f"{file}: executor: got {executor!r}: must be text")
    if executor not in known:
        raise ConfigError(
            f"{file} names the executor {executor!r}, whose plugin is not installed"
            f" here ({', '.join(sorted(known))} are): pip install"
            f" snakemake-executor-plugin-{executor}"
        )


def _parsed(name: str, file: Path) -> Namespace:
    from snakemake.cli import parse_args

    told = io.StringIO()
    try:
        with redirect_stderr(told), redirect_stdout(told):
            _, args = parse_args(["--profile", name])
    except SystemExit as error:
        raise ConfigError(f"{file}: {_last_line(told.getvalue())}") from error
    return args  # type: ignore[no-any-return]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "Snakemake refuses it and does not say why"
