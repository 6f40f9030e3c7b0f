"""What a model can still do: lm-evaluation-harness as a client of the engine."""
