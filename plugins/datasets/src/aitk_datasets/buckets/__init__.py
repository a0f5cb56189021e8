"""The trainer's buckets: where each picture goes, and what that costs."""
