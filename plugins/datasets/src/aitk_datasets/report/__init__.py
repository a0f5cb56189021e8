"""Answers of the dataset tools."""
