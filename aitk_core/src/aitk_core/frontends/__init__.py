"""Ways in: each turns its own wire format into calls of the dispatcher, and renders the answer."""
