"""A hub on loopback that every test of this room asks, and nothing else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import close_session

from hub_stand_in import Hub, Repository
from safegrid.config.lock import FetchSpec, Kind

MakeSpec = Callable[..., FetchSpec]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Return a hub that the client library asks in place of the real one."""
    # The library keeps one client, with the proxies there were when it was made.
    close_session()
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
        # No token of whoever runs the tests, and no waiting for a broken network.
        constants = "huggingface_hub.constants"
        monkeypatch.setattr(f"{constants}.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(f"{constants}.HF_HUB_DISABLE_TELEMETRY", True)
        # What a connection has brought is written in chunks of ten megabytes.
        monkeypatch.setattr(f"{constants}.DOWNLOAD_CHUNK_SIZE", 100)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
        monkeypatch.setattr("safegrid.fetch.download.PAUSE_SECONDS", 0.0)
        yield hub


@pytest.fixture
def spec() -> MakeSpec:
    """Return a maker of what a rule fetches from a repository."""

    def make(kind: Kind, repository: Repository, **changes: Any) -> FetchSpec:
        fields = {
            "kind": kind,
            "name": "it",
            "hub": "owner/it",
            "revision": repository.commit,
            "files": repository.pins(),
        }
        return FetchSpec.model_validate({**fields, **changes})

    return make


@pytest.fixture
def registries(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of a configuration that is registries alone, all unpinned."""

    def make(**entries: dict[str, Any]) -> Path:
        folder = tmp_path / "config"
        folder.mkdir()
        for name in ("sources", "bases", "judges", "encoders"):
            text = yaml.safe_dump(entries.get(name, {}))
            (folder / f"{name}.yaml").write_text(text)
        (folder / "config.yaml").write_text("study: mini\n")
        return folder

    return make


@pytest.fixture
def index(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return the same as a package index that pip asks in place of the user's."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in hub.pip_environment.items():
        monkeypatch.setenv(name, value)
    return hub
