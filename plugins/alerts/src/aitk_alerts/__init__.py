"""Alerts: kept in an outbox until they are delivered."""
