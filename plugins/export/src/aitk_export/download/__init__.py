"""Handing over a model: inside the answer where it is small, over HTTP, or in pieces."""
