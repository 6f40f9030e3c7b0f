"""Capability by lm-evaluation-harness, as a client of the engine."""
