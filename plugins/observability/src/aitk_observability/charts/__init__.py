"""Pictures of a run. Only `canvas` knows matplotlib, and imports it at the first picture."""
