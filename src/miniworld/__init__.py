"""A miniature world: a small English, raw files in upstream formats, small models.

It provides sources, a base and judges where no network and no accelerator is at
hand. Nothing in it is harmful: what counts as an unsafe answer is an empty phrase.
"""
