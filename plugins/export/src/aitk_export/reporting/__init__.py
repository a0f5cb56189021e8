"""A report of a run as files: JSON for machines, Markdown for a note, one HTML page for a browser.

get-training-observability, evaluate-lora, configs ──► gathered ──► json, markdown, html ──► files
"""
