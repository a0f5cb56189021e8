"""What the trainer finds in a folder, and how a job reads it."""
