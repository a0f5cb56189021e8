"""Handlers of the training tools."""
