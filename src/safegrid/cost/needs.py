"""GPU memory of each kind of job.

From shapes and settings alone: a micro-batch is taken to be as long as `max_length`
lets it be, and an engine's chunk as large as it may become.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from safegrid.config.cost import GpuSpec
from safegrid.cost.engine_needs import engine_needs
from safegrid.cost.need import Need
from safegrid.cost.shapes import base_shape
from safegrid.cost.training_needs import reference_needs, training_needs
from safegrid.study import Study

# The rules that hold a GPU.
RULES = (
    "reference",
    "kto_reference",
    "train",
    "generate",
    "judge",
    "validate_judge",
    "calibrate",
    "capability",
    "reference_likelihood",
)


def needs(
    study: Study, gpus: Mapping[str, tuple[str, GpuSpec]], root: Path
) -> Iterator[Need]:
    """Give what each kind of job with a known GPU and a known shape needs."""
    shapes = {name: base_shape(study, name, root) for name in study.all_bases}
    bases = {n: known for n, known in shapes.items() if known is not None}
    if "train" in gpus:
        yield from training_needs(study, bases)
    for rule in ("reference", "kto_reference"):
        if rule in gpus:
            yield from reference_needs(study, bases, rule)
    yield from engine_needs(study, bases, gpus, root)
