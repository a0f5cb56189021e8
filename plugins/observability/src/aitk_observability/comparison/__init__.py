"""Several runs against each other: what can be compared, who is ahead, and how sure that is."""
