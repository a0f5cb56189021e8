"""Training configs: built for an architecture, checked, changed, described and kept in a folder."""
