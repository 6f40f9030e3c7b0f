"""Preference pairs and a start model to a trained model.

Takes prepared pairs; gives ids, reference log-probabilities and models.
"""
