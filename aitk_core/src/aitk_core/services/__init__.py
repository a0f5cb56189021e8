"""What tools are handed: files, workers, analyzers. One service a module."""
