"""What is wrong with a dataset, found in its evidence: pure functions, one module for a subject."""
