"""Scores of runs and the bands their differences fall in, one module group per method."""
