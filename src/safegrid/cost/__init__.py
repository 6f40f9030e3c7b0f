"""What a study costs: the arithmetic of FLOPs, bytes and seconds, before and after."""
