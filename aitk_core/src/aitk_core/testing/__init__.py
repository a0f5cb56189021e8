"""Checks and fixtures for plugin authors."""
