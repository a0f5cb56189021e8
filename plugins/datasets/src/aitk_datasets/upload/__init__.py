"""How pictures come into a folder: checked, staged, then given their names."""
