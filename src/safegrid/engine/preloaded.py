"""Import what engines need, in the process that they are forked from.

It never runs a model: there must be no thread and no device for a child to lose.
"""

import gc
import importlib
import os

# Loading a model imports the rest of transformers; naming it here does it once.
for module in (
    "safegrid.engine.server",
    "transformers.models.llama.modeling_llama",
    "peft",
):
    importlib.import_module(module)
gc.freeze()  # what is shared with the children should stay shared
if (threads := len(os.listdir("/proc/self/task"))) > 1:
    raise RuntimeError(
        f"an import started {threads - 1} threads, whose locks forked engines would"
        " inherit; set SAFEGRID_ENGINE_START=spawn"
    )
