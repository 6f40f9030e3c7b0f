"""Training rows that a model makes: the best of k answers to each prompt.

What the model was asked, what it answered and what a judge says of it are made by the
rules that every benchmark goes through; this room chooses among them.
"""
