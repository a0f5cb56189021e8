"""Watches: kept in the store, owned under leases, looked through until the run ends."""
