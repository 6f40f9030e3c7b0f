"""`safegrid doctor`: what of a profile will not work, told before a job is submitted."""
