"""Training rows that a model makes: the best of k answers, or corrections of itself.

What the model was asked, what it answered and what a judge says of it are made by the
rules that every benchmark goes through; this room chooses and ranks.
"""
