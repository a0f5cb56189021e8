"""Workflows that a person starts from the client's menu."""
