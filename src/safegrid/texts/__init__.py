"""Fixed texts that data are made with."""
