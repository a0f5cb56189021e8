"""What several test files share and no plugin author needs."""
