"""Prompts as a model sees them, and its answers.

Prompts become token ids once a base (`render`); ids become responses once a model
(`generate`), a row for every item, whatever happened to it.
"""
