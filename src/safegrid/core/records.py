"""The row types that travel between stages, as polars schemas in column order."""

from typing import NamedTuple

import polars as pl

Schema = dict[str, pl.DataType]

TEXT: pl.DataType = pl.String()
INT: pl.DataType = pl.Int32()
NUMBER: pl.DataType = pl.Float64()
IDS_TYPE: pl.DataType = pl.List(pl.Int32())
MESSAGES: pl.DataType = pl.List(pl.Struct({"role": TEXT, "content": TEXT}))


def _all(kind: pl.DataType, names: str) -> Schema:
    return dict.fromkeys(names.split(), kind)


PREFERENCE = _all(TEXT, "pair_id prompt chosen rejected category source")
PREFERENCE |= {"source_row": pl.Int64()}
"""A prompt with a chosen and a rejected answer; where `rejected` is null in every row,
instructions with one answer each."""

PROMPT = _all(TEXT, "prompt_id benchmark") | {"prompt": MESSAGES}
PROMPT |= _all(TEXT, "prefill category macro_category attack cluster reference")

IDS: Schema = {"prompt_id": TEXT, "ids": IDS_TYPE}

PAIRS = _all(TEXT, "pair_id category")
PAIRS |= _all(IDS_TYPE, "prompt_ids chosen_ids rejected_ids")
"""The same as ids; `rejected_ids` is null where PREFERENCE has no rejected answer."""

REFERENCE = {"pair_id": TEXT} | _all(pl.Float32(), "chosen rejected")
KTO_REFERENCE = {"pair_id": TEXT, "label": pl.Boolean(), "kl": pl.Float32()}

RESPONSE = {"prompt_id": TEXT, "sample": INT, "text": TEXT}
RESPONSE |= _all(INT, "n_prompt_tokens n_tokens") | _all(TEXT, "finish decode")

LIKELIHOOD = {"prompt_id": TEXT, "logprob": NUMBER}
LIKELIHOOD |= _all(INT, "n_tokens n_prompt_tokens")
"""The log-probability of a prompt's known answer: `logprob` in nats, the sum over its
`n_tokens`, after `n_prompt_tokens` of the conversation; null where the engine gave
none."""

# The label of an answer that no judge could read.
UNSCORED = "unscored"
VERDICT = {"prompt_id": TEXT, "sample": INT, **_all(TEXT, "judge label")}
VERDICT |= {"score": NUMBER, "categories": pl.List(TEXT), "raw": TEXT}

_COUNTS = _all(NUMBER, "value low high") | _all(pl.Int64(), "n n_unscored")

STRESS = _all(TEXT, "judge positive change was") | {**_COUNTS, "reason": TEXT}
"""Verdicts of a judge that flip when answers are put another way, by `change`.

`value`: the share of `n` changed answers whose verdict was `positive` and is not any
more, or the reverse; of `n_unscored` others it could not be read. `was`: of which
answers, by their verdict before the change: `positive`, `other`, or `all`.
"""

LABEL = _all(TEXT, "judge item base recipe") | {"seed": INT}
LABEL |= {"benchmark": TEXT, "prompt_id": TEXT, "sample": INT}
LABEL |= _all(TEXT, "rater_1 rater_2")
"""What people say of an answer, in the classes of a judge; `item` is a hash of where it
stands and of its text; empty where a rater said nothing."""

SCORE = _all(TEXT, "study base recipe") | {"seed": INT}
SCORE |= _all(TEXT, "benchmark judge metric slice") | _COUNTS
SCORE |= _all(TEXT, "reason engine version")

FRONTIER = _all(TEXT, "base line kind") | {"place": INT, "recipe": TEXT}
FRONTIER |= _all(INT, "step seed") | _all(TEXT, "axis judge metric loss")
FRONTIER |= {"at": NUMBER, **_COUNTS, "reason": TEXT}
"""One training as a line from its base through its doses; shares, not percent.

kind `point`: the line at one of its points (`place` 0 is the base untouched; `step` is
    null where the number of steps is not known before the training) on one `axis`;
    `seed` is null for the mean of the seeds, which has the intervals.
kind `gain`: safety gained over the base by `axis`, at a loss of `at` by axis `loss`;
    both null: at the end of the line.
axis `refused`: harmful requests refused; `second`: safe, or refused, by a second judge;
    `lost`: benign requests lost, `capability`: capability lost, both less the base's.
"""


class Key(NamedTuple):
    """What a score is about, whoever's it is."""

    benchmark: str
    judge: str
    metric: str
    slice: str


COMPARISON = _all(TEXT, "base kind benchmark judge metric slice first second")
COMPARISON |= _all(NUMBER, "value low high error p holm") | {"test": TEXT}
COMPARISON |= {"smallest": NUMBER, "seeds": INT, "n": pl.Int64()}
COMPARISON |= {"n_clusters": pl.Int64(), "reason": TEXT}
"""Models of a base beside each other, in the units of their scores.

kind `pair`: recipe `first` less recipe `second`, paired by prompt: `value` with its
    interval and standard `error`; `p` by `test`, `holm` adjusted for all pairs of the
    measure; `smallest`: the smallest difference found with 80% power; over `seeds`
    that both have, `n` answers of `n_clusters` items.
kind `group`: task `first` of a suite, of `n` items, is of the group that `slice` names.
kind `contrast`: what recipe `first` changes of the base, `second`, in the group that
    `slice` names, less the mean of what it changes in the suite's other groups.
kind `later`: the share that recipe `first` corrects after the prefill of `benchmark`,
    less the share that it refuses at once, paired by request.
kind `front`: `value`: the share of `n` resamples in which recipe `first` is on the
    Pareto front that `metric` names.
"""

FRONTS = {
    "safe": ("safety", "benign_requests_lost", "capability"),
    "coherent": ("safe_and_coherent", "benign_requests_lost", "capability"),
}
"""Axes of the Pareto fronts: what a guard calls safe, or that less what is degenerate;
harmless requests neither refused nor answered degenerately; capable."""

HISTORY = {"step": INT, "metric": TEXT, "value": NUMBER}

RUNS = _all(TEXT, "kind subject metric") | {"step": INT}
RUNS |= _all(NUMBER, "value low high") | {"n": pl.Int64()}
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
