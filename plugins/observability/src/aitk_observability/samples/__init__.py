"""A run's sample images: what can be told of them without judging their quality, and a sheet."""
