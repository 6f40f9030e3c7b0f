"""The stages of the workflow and the version number of each expensive one.

An expensive stage costs minutes to hours, so editing a comment must not rerun it and
editing its meaning must. Its number is a param of its rule: raise it whenever the
stage's results change. `tests/unit/core/test_stages.py` holds a hash of what each
stage imports beside its number, so that the question is asked at every change.
"""

VERSIONS: dict[str, int] = {
    "convert": 1,
    "miniworld": 2,
    "prepare": 2,
    "tokenize": 1,
    "render": 1,
    "reference": 2,
    "train": 4,
    "generate": 2,
    "text_head": 4,
    "judge": 5,
    "synthesize": 3,
    "validate_judge": 7,
    "judge_stress": 1,
    "calibrate": 3,
    "capability": 4,
}
