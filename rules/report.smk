"""Scores become tables, figures and one report.

Takes: results/{study}/scores.parquet, runs.parquet.
Gives: results/{study}/tables/, figures/, notebooks/, report/.
"""
