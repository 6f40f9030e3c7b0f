"""Progress of a training, and the learning curve that is kept."""

import logging
from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback

from safegrid.core.records import HISTORY
from safegrid.train.lease import WHOLE

logger = logging.getLogger(__name__)

# TRL's and transformers' names to ours. Rewards are beta times a log-ratio.
METRICS = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "logps/chosen": "chosen_logp",
    "logps/rejected": "rejected_logp",
    "kl": "kl",
    "entropy": "entropy",
    "nll_loss": "nll",
    "mean_token_accuracy": "token_accuracy",
    # A reward model's: its own outputs, no log-ratios.
    "accuracy": "accuracy",
    "margin": "margin",
    "mean_reward": "mean_reward",
}


class Watch(TrainerCallback):
    """Logs a line now and then, and marks checkpoints as whole."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Skip the last step's checkpoint: the model itself is about to be saved."""
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark a checkpoint as whole, once every process has written its part."""
        from accelerate import PartialState

        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / WHOLE).touch()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write a line to the log."""
        logs = kwargs["logs"]
        if "loss" in logs and state.is_world_process_zero:
            logger.info(
                "step %d of %d: loss %.4f, gradient norm %.3g",
                state.global_step,
                state.max_steps,
                logs["loss"],
                logs["grad_norm"],
            )


def history(log_history: list[dict[str, Any]], beta: float | None) -> pl.DataFrame:
    """Return the training curve as rows of `records.HISTORY`.

    Args:
        log_history: the trainer's own log; it survives a continued training.
        beta: to give log-ratios beside rewards; None where rewards are no log-ratios.

    Returns:
        One row a logged step and metric. Values are means over the steps since the
        line before, `grad_norm` and `learning_rate` those of the step itself.
    """
    rows = []
    for line in log_history:
        if "loss" not in line:
            continue
        named = {METRICS[key]: line[key] for key in METRICS if key in line}
        for side in ("chosen", "rejected"):
            if beta is not None and f"{side}_reward" in named:
                named[f"{side}_log_ratio"] = named[f"{side}_reward"] / beta
        rows += [(line["step"], name, value) for name, value in named.items()]
    return pl.DataFrame(rows, schema=HISTORY, orient="row")
