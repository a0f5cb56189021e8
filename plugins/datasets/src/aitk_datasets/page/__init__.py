"""One HTML page of an inspection, which needs nothing else to be read."""
