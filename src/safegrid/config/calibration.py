"""Numbers by which a judge of fluency is calibrated: texts, answers, and a quantile."""

MOST_TEXTS = 400
"""Texts of a kind that are read; every second one fixes the threshold."""
MOST_WORDS = 64
"""Words of a text that are read: as many as answers to benchmarks have, not more."""
MOST_OWN = 100
"""Prompts that the base itself answers, once greedily and once by chance."""
NEW_TOKENS = 64
"""Tokens of such an answer, at most."""
BROKEN_TEMPERATURE = 3.0
"""At this temperature a language model writes no language."""
QUANTILE = 0.01
"""The threshold stands halfway between the score above which all but this share of the
fluent texts are, and the one below which all but this share of the broken ones are."""
