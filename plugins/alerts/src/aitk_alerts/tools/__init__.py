"""Handlers of the tools."""
