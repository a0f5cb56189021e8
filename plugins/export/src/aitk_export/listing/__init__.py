"""The models that there are.

outputs, exports ──► walk ──► index of headers ──► lines ──► one page
backend (where no outputs are visible) ────────────┘
"""
