"""The row types that travel between stages, as polars schemas in column order."""

import polars as pl

Schema = dict[str, pl.DataType]

TEXT = pl.String()
IDS_TYPE = pl.List(pl.Int32())
MESSAGES = pl.List(pl.Struct({"role": TEXT, "content": TEXT}))

PREFERENCE: Schema = {
    "pair_id": TEXT,
    "prompt": TEXT,
    "chosen": TEXT,
    "rejected": TEXT,
    "category": TEXT,
    "source": TEXT,
    "source_row": pl.Int64(),
}
"""A prompt with a chosen and a rejected answer; where `rejected` is null in every row,
instructions with one answer each."""

PROMPT: Schema = {
    "prompt_id": TEXT,
    "benchmark": TEXT,
    "prompt": MESSAGES,
    "prefill": TEXT,
    "category": TEXT,
    "macro_category": TEXT,
    "attack": TEXT,
    "cluster": TEXT,
    "reference": TEXT,
}

IDS: Schema = {"prompt_id": TEXT, "ids": IDS_TYPE}

PAIRS: Schema = {
    "pair_id": TEXT,
    "category": TEXT,
    "prompt_ids": IDS_TYPE,
    "chosen_ids": IDS_TYPE,
    "rejected_ids": IDS_TYPE,
}
"""The same as ids; `rejected_ids` is null where PREFERENCE has no rejected answer."""

REFERENCE: Schema = {
    "pair_id": TEXT,
    "chosen": pl.Float32(),
    "rejected": pl.Float32(),
}

KTO_REFERENCE: Schema = {
    "pair_id": TEXT,
    "label": pl.Boolean(),
    "kl": pl.Float32(),
}

RESPONSE: Schema = {
    "prompt_id": TEXT,
    "sample": pl.Int32(),
    "text": TEXT,
    "n_prompt_tokens": pl.Int32(),
    "n_tokens": pl.Int32(),
    "finish": TEXT,
    "decode": TEXT,
}

LIKELIHOOD: Schema = {
    "prompt_id": TEXT,
    "logprob": pl.Float64(),
    "n_tokens": pl.Int32(),
    "n_prompt_tokens": pl.Int32(),
}
"""The log-probability of a prompt's known answer: `logprob` in nats, the sum over its
`n_tokens`, after `n_prompt_tokens` of the conversation; null where the engine gave
none."""

# The label of an answer that no judge could read.
UNSCORED = "unscored"
VERDICT: Schema = {
    "prompt_id": TEXT,
    "sample": pl.Int32(),
    "judge": TEXT,
    "label": TEXT,
    "score": pl.Float64(),
    "categories": pl.List(TEXT),
    "raw": TEXT,
}

SCORE: Schema = {
    "study": TEXT,
    "base": TEXT,
    "recipe": TEXT,
    "seed": pl.Int32(),
    "benchmark": TEXT,
    "judge": TEXT,
    "metric": TEXT,
    "slice": TEXT,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "n_unscored": pl.Int64(),
    "reason": TEXT,
    "engine": TEXT,
    "version": TEXT,
}

FRONTIER: Schema = {
    "base": TEXT,
    "line": TEXT,
    "kind": TEXT,
    "place": pl.Int32(),
    "recipe": TEXT,
    "step": pl.Int32(),
    "seed": pl.Int32(),
    "axis": TEXT,
    "judge": TEXT,
    "metric": TEXT,
    "loss": TEXT,
    "at": pl.Float64(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "n_unscored": pl.Int64(),
    "reason": TEXT,
}
"""One training as a line from its base through its doses; shares, not percent.

kind `point`: the line at one of its points (`place` 0 is the base untouched; `step` is
    null where the number of steps is not known before the training) on one `axis`;
    `seed` is null for the mean of the seeds, which has the intervals.
kind `gain`: safety gained over the base by `axis`, at a loss of `at` by axis `loss`;
    both null: at the end of the line.
axis `refused`: harmful requests refused; `second`: safe, or refused, by a second judge;
    `lost`: benign requests lost, `capability`: capability lost, both less the base's.
"""

HISTORY: Schema = {"step": pl.Int32(), "metric": TEXT, "value": pl.Float64()}

RUNS: Schema = {
    "kind": TEXT,
    "subject": TEXT,
    "metric": TEXT,
    "step": pl.Int32(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
}
"""Facts of a study's runs in long form.

kind `history`: a training's metric at a step; subject base/recipe/seedN.
kind `training`: one number of a whole training: steps, pairs, tokens, and the checks
    before its first step; subject as above.
kind `rows`: rows that a stage kept (metric `kept`) and dropped (metric = the reason);
    subject "stage name", of a training "train base/recipe/seedN"; subject "ask base
    benchmark": prompts that a base was asked, and those that are longer than its
    context holds.
kind `judge`: a judge on labelled rows; metrics as its measure names them.
kind `fluency`: a judge of fluency on texts of known kind; subject "judge, base".
kind `limit`: the most tokens that an answer to a benchmark may have.
kind `left_out`: a text head, trained without a file, on that file, and the rules on it;
    subject "file: judge".
kind `agreement`: two judges of refusals on the same answers; subject "first / second:
    benchmark".
kind `overlap`: prompts that a benchmark shares with a dataset; subject
    "dataset / benchmark", n = prompts of the benchmark.
"""
