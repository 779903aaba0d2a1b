"""Readers for data on disk, one kind per file."""
