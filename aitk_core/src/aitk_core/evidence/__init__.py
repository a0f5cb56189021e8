"""From a backend to evidence: what was collected, when, from where, and what is missing."""
