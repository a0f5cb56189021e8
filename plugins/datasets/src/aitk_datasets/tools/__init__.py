"""Handlers of the dataset tools."""
