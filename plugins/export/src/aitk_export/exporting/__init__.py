"""Copies of models, and what is said beside them.

about (run, config, dataset, score) ──► sidecar ─┐
source ──► verify ──► copy ───────────────────────┴──► a folder
"""
