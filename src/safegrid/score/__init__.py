"""Metrics of verdicts: scores with intervals, paired differences, one table."""
