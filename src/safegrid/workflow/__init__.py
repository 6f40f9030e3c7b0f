"""Running the workflow for a user: locks left by crashes, estimates, the last words."""
