"""The output contracts."""
