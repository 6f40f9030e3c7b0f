"""Doses: models that a training keeps on its way to the last step.

Their weights are written when their step ends, into the folder of the training's own
checkpoints, and become folders of models when the training is over. So a training that
was killed finds those that it has passed; a checkpoint of a later step is written after
them.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from safegrid.core.artifacts import atomic_directory
from safegrid.models.checkpoints import Dtype
from safegrid.train.save import gather_weights, write_weights


class Keeper(TrainerCallback):
    """Writes the weights of each dose when its step ends, unless they are there.

    Attributes:
        steps: at which weights are still to be written.
    """

    def __init__(
        self, trainer: Any, dtype: Dtype, folder: Path, steps: Iterable[int]
    ) -> None:
        self.steps = {step for step in steps if not kept(folder, step).is_dir()}
        self._trainer, self._dtype, self._folder = trainer, dtype, folder

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the weights of a dose; every process gathers, the main one writes."""
        if state.global_step not in self.steps:
            return
        weights = gather_weights(self._trainer)
        if state.is_world_process_zero:
            with atomic_directory(kept(self._folder, state.global_step)) as folder:
                write_weights(self._trainer, weights, self._dtype, folder)


def kept(folder: Path, step: int) -> Path:
    """Return where a training keeps the weights of a dose in its own folder."""
    return folder / f"dose-{step}"


def take(source: Path, folder: Path) -> None:
    """Put kept weights into another folder, and leave them where they are.

    A kill in between costs nothing then. The copy takes no room where both folders lie
    on one disk.
    """
    for path in source.iterdir():
        try:
            os.link(path, folder / path.name)
        except OSError:  # of another disk, or of one that knows no links
            shutil.copyfile(path, folder / path.name)
