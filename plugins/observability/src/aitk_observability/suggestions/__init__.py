"""What to try next: each proposal motivated by a finding, with its cost and its risk."""
