"""What a model is asked, and what it answers.

Prompts become token ids once a base (`render`); ids become responses once a model
(`generate`), a row for every item, whatever happened to it.
"""
