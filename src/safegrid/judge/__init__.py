"""Verdicts on responses, and the validation of judges.

Four kinds: `guard` (a causal model read by the probabilities of two verdict words),
`toxicity` and `refusal` (sequence classifiers; refusals also by rule), `fluency`
(the base's own log-probability of an answer). An answer that cannot be read is
`unscored`: a third outcome, never guessed and never dropped.
"""
