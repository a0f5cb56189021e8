"""What is known beside a config: asked of other tools, of the backend and of this machine."""
