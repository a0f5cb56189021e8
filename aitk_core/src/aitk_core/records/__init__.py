"""What crosses from room to room: results, findings, evidence. Frozen, and free of behaviour."""
