"""The only door to the network for a URL that a caller or a user gives."""
