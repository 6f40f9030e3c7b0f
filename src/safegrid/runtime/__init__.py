"""Processes, runs, clusters and devices."""
