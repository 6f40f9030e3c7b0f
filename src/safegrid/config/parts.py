"""Parts of a dataset: which rows of which file of a source."""

from safegrid.config.block import Block, Positive, Seed


class PartSpec(Block):
    """Rows of one file, of a dataset that is made of several.

    Attributes:
        source: name in the registry of sources.
        file: short name of the file in that source.
        limit: rows to take, drawn by `seed`: exactly so many. Those of a smaller limit
            are among those of a larger one. Null for all.
        seed: rules which rows the limit takes.
        input_heading: line that stands above an instruction's input, where it has one.
    """

    source: str
    file: str = "train"
    limit: Positive | None = None
    seed: Seed = 0
    input_heading: str = ""
