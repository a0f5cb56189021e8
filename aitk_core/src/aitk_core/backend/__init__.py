"""The training backend: its protocol, and the client of the AI Toolkit REST API."""
