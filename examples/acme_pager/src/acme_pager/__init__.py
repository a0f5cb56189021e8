"""A pager of acme."""
