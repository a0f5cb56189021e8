"""What pixels say without a model: grey levels, looks, hashes, and pairs that are alike."""
