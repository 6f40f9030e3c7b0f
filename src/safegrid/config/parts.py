"""Parts of a dataset: which rows of which file of a source."""

from safegrid.config.block import Block, Positive, Seed


class PartSpec(Block):
    """Rows of one file, of a dataset that is made of several.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `instructions`
        file: short name of the file in that source
        limit: rows to take, exactly so many, drawn by `seed`: a smaller number's rows
            are among a larger one's; null for all
        seed: rules which rows the limit takes
        input_heading: a line that stands above an instruction's input, where it has
            one: template `alpaca` looks for `'### Input:'`
    """

    source: str
    file: str = "train"
    limit: Positive | None = None
    seed: Seed = 0
    input_heading: str = ""
