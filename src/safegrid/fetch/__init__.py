"""Files from upstream: pinned once, fetched whole, checked against the lock."""
