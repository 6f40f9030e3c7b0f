"""Reproducible method x benchmark grids for LLM safety alignment."""

__version__ = "0.1.0"
