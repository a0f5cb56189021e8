"""Statistics that work on diffusion training loss: pure functions on numpy arrays, no I/O."""
