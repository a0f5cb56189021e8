"""Handlers of the observability tools."""
