"""TRL's trainers, fed with ids and an order that were fixed before.

`families` is imported only when a model is trained: TRL takes seconds.
"""

import os
import sys
import warnings

# Read once, while the libraries are imported: trainers never ask a hub, and report
# nothing.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# TRL asks models by a name that transformers has just renamed.
warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
if not sys.stderr.isatty():
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
