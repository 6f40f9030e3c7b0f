"""`safegrid doctor`: what will not work under a profile, told before any job."""
