"""Alerts kept until they are delivered: taken in once, sent at least once, in order."""
