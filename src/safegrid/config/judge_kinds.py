"""The kinds of judges, and what is true of each of them."""

from typing import Literal

JudgeKind = Literal[
    "guard",
    "toxicity",
    "refusal",
    "fluency",
    "reward",
    "harmfulness",
    "entailment",
    "reference",
    "correction",
]
# Kinds whose model gives one number, and what a text for it has places for.
SCORERS = ("reward", "harmfulness")
PLACES = ("prompt", "response")
# What a question of kind `correction` has places for.
ASKED = ("{prompt}", "{prefill}", "{response}")
# The kinds whose score says how good an answer is.
HIGHER_IS_BETTER = ("reward", "entailment", "reference")
# The class against which entailment is weighed.
CONTRADICTION = "contradiction"
# The kinds that rules of this package judge.
BY_RULES = ("refusal", "reference")
# The kinds whose verdicts may come from elsewhere.
BY_FILE = ("guard", "reward", "harmfulness", "toxicity", "refusal")
# Those of them that say one of several classes.
OF_CLASSES = ("toxicity", "refusal")
Compare = Literal["exact_choice", "contains", "bleu", "rouge_l", "bertscore"]
