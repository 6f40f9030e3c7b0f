"""What verdicts amount to: metrics with intervals, paired differences, gathering."""
