"""How a judge of fluency is calibrated: the texts that are read, and the answers asked."""

MOST_TEXTS = 400
"""Texts of a kind that are read; every second one fixes the threshold."""
MOST_OWN = 100
"""Prompts that the base itself answers, once greedily and once at a high temperature."""
NEW_TOKENS = 64
"""Tokens of such an answer, at most."""
BROKEN_TEMPERATURE = 3.0
"""At this temperature a language model writes no language."""
QUANTILE = 0.01
"""Share of the fluent texts that the threshold may call disfluent."""
