"""Diverse beams: how an answer is searched for, and whose code searches."""

from typing import Annotated

from pydantic import Field

from safegrid.config.block import Above0, Block, Positive
from safegrid.config.engine import Decode

# Where transformers looks for the code of a search in a folder.
ENTRY = "custom_generate/generate.py"


class Beams(Block):
    """Diverse beam search (Vijayakumar et al. 2018, arXiv 1610.02424).

    Attributes:
        groups: beams, each a group of its own; at least 2
        penalty: taken off a token's score for each other group that took it at the same
            place; above 0
    """

    groups: Annotated[Positive, Field(ge=2)] = 2
    penalty: Above0 = 0.5


class BeamsSpec(Beams):
    """The beams of a dataset; transformers has them in code of their own only.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `custom_generate`: the code
            that searches
    """

    source: str = "diverse-beams"

    def beams(self) -> Beams:
        """Return how is searched, without whose code it is: its bytes count."""
        return Beams(groups=self.groups, penalty=self.penalty)


class BeamDecode(Decode):
    """Answers that are searched for: of several beams the best one."""

    beams: Beams

    @property
    def width(self) -> int:
        """Sequences that grow for one answer."""
        return self.beams.groups


Decoding = Decode | BeamDecode
"""What a stage is given: only one of the two knows `beams`, so JSON says which."""
