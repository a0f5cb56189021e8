"""Which folders hold ComfyUI's models, and of which kind each is."""
