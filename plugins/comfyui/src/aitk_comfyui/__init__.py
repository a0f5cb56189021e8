"""ComfyUI's models by what they are.

roots, extra_model_paths.yaml ──► folders ──► walk ──► index of headers ──► lines ──► a page
a running ComfyUI ────────────────────────────────────────────────────────┘
"""
