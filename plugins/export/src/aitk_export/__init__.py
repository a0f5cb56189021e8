"""Models and reports handed over.

backend / outputs ──► places ──► choice ──► checks ──► exporting, download
report of a run   ──► reporting
"""
