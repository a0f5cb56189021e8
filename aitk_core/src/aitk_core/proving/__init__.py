"""Proof that analyzers find what they should and stay quiet otherwise. Needs no test tools."""
