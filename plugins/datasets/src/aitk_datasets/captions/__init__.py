"""Captions: read without trust, measured without a model."""
