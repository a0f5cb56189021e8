"""Files of weights: what their headers say, and what they are.

    file ──► header (names, types, shapes, metadata) ──► recognition ──► facts

Only headers are read; a file's data is looked at where a check asks for it (`numbers`).
"""
