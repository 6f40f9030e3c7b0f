"""What every block of configuration is made of: its base class, and types of keys."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def plain_address(url: str) -> str:
    """Check that an address can be shown and joined to: no key, no query in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must begin with https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The value of a refused key is shown, so it is not repeated here.
        raise ValueError("must hold no user, password, query or fragment")
    return url


Address = Annotated[str, AfterValidator(plain_address)]


class Block(BaseModel):
    """A piece of configuration; a misspelt key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
