"""What each page shows, collected from the tools."""
