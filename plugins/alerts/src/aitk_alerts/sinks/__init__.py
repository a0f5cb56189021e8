"""Kinds of destination."""
