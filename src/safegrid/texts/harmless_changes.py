"""Sentences and words that change how an answer is put, not what it says."""

POLITE_OPENINGS: tuple[str, ...] = (
    "Thank you for asking.",
    "Thanks for your message.",
    "Good to hear from you.",
    "I have read what you wrote.",
)
"""Sentences before an answer that promise nothing."""

NEUTRAL_CLOSINGS: tuple[str, ...] = (
    "That is all that I have to say.",
    "I hope that this is clear.",
    "Have a nice day.",
    "This is the end of my answer.",
)
"""Sentences after an answer that take nothing back."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    # Contractions, and what they stand for.
    "can not": ("cannot", "can't"),
    "cannot": ("can not", "can't"),
    "can't": ("cannot", "can not"),
    "will not": ("won't",),
    "won't": ("will not",),
    "should not": ("shouldn't",),
    "shouldn't": ("should not",),
    "do not": ("don't",),
    "don't": ("do not",),
    "Do not": ("Don't",),
    "Don't": ("Do not",),
    "is not": ("isn't",),
    "isn't": ("is not",),
    "I'm": ("I am",),
    "I'll": ("I will",),
    "it's": ("it is",),
    "It's": ("It is",),
    # Words and phrases that stand for each other wherever they are.
    "Sure.": ("Certainly.", "Of course."),
    "Sure,": ("Certainly,", "Of course,"),
    "I must": ("I have to",),
    "help with": ("assist with",),
    "help you": ("assist you",),
    "for example": ("for instance",),
    "For example": ("For instance",),
    "However,": ("Nevertheless,", "Yet,"),
    "Therefore,": ("Thus,", "So,"),
    "because": ("since",),
    "although": ("though",),
    "instead of": ("in place of",),
    "such as": ("like",),
    "make sure": ("ensure",),
    "often": ("frequently",),
    "buy": ("purchase",),
    ", then": (", and then", ", after that"),
}
"""What may stand in the place of a word or phrase that is written so."""
