"""Which of a run's checkpoints is meant."""
